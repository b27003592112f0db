"""A lab: some nodes, the links between them, and the files that all this takes."""
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import leaks, paths, uml
from .errors import ConsoleFault, MemoryLost
from .kernels import KERNELS
from .links import CUT, Links
from .node import Node
from .patience import Patience

SCRATCH = Path("/dev/shm")
PREFIX = "lvr-lab-"
POLL_SECONDS = 0.05


class Lab:
    """Nodes that can reach each other.

    logs: directory for the console logs. cold: boot each node really, instead of starting it from
    a saved state. payload: directory whose content is unpacked to /lvr in each node at each start, by
    default what the build has made for this kernel. taps: links as network cards make them, in place of
    QEMU's own; the nodes boot cold, as saved states know no such cards. Looking at a guest costs it time: who
    waits long and often sets poll_seconds higher."""

    def __init__(self, logs, kernel="6.1", cold=False, payload=None, taps=None):
        self.kernel = kernel
        self.slowness = KERNELS[kernel].slowness
        self.payload = payload or paths.payload(kernel)
        self.taps = taps
        self.cold = cold or bool(taps) or bool(os.environ.get("LVR_VM_COLD"))
        self.logs = Path(logs)
        self.logs.mkdir(parents=True, exist_ok=True)
        _remove_leftovers()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=SCRATCH))
        self.poll_seconds = POLL_SECONDS
        self.nodes = []
        self.links = Links(self)
        self.wires = uml.Wires()
        self._closed = ""

    def node(self, name, disks=(), image="small", smp=2, mem_mib=None):
        """Adds a node; it is off. image is small (an initramfs; starts in a second), debian (a
        whole system with systemd, LVM and PostgreSQL) or programs (that, with the programs of tests/vm/programs).
        Its links are part of the others' hardware: add all first."""
        if any(other.running for other in self.nodes):
            raise RuntimeError(f"{name} comes too late: other nodes run already")
        node = Node(self, name, len(self.nodes) + 1, disks, image, smp, mem_mib)
        self.nodes.append(node)
        return node

    def start(self):
        """Starts all nodes that are off, at the same time."""
        off = [node for node in self.nodes if not node.running]
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.prepare, off))
            for node in off:        # not in the pool: a machine ends with the thread that started it
                node.launch()
            list(pool.map(Node.settle, off))

    def peers(self, node):
        return [other for other in self.nodes if other is not node]

    # links: without nodes named, all of them; with one, all of that node's

    def cut(self, sender=None, receiver=None, both_ways=True):
        """Drops all packets silently."""
        self.links.set(CUT, sender, receiver, both_ways)

    def heal(self, sender=None, receiver=None):
        """Takes cuts and slowness away."""
        self.links.set("", sender, receiver)

    def slow(self, delay_ms=0, rate_mbit=0, loss_pct=0, sender=None, receiver=None):
        """Delays, throttles and loses packets; the delay is per direction."""
        options = f"delay {delay_ms}ms loss {loss_pct}%"
        if rate_mbit:
            options += f" rate {rate_mbit}mbit"
        self.links.set(options, sender, receiver)

    def wait(self, condition, timeout=60, what="the condition"):
        """Polls a condition until it gives something true, and returns that."""
        patience = Patience(timeout * self.slowness)
        while not (value := condition()):
            if self._closed:
                raise TimeoutError(f"{self._closed} while waiting for {what}")
            if not patience.lasts():
                raise TimeoutError(f"waited in vain for {what}, the limit is {timeout} s")
            time.sleep(self.poll_seconds)
        return value

    def check_consoles(self):
        """Raises if a kernel has complained."""
        found = [f"{node.name}: {text}" for node in self.nodes if (text := node.console.complaints())]
        if found:
            raise ConsoleFault("\n\n".join(found))

    def check_memory(self):
        """Raises if the module has lost memory on a running node; only a debug kernel can tell."""
        running = [node for node in self.nodes if node.running] if KERNELS[self.kernel].debug else []
        with ThreadPoolExecutor() as pool:
            found = list(zip(running, pool.map(leaks.find, running), strict=True))
        lost = [f"{node.name}: {text}" for node, text in found if text]
        if lost:
            raise MemoryLost("\n\n".join(lost))

    def kill_all(self, reason="closed"):
        """Cuts the power of all nodes for good: whatever waits for them ends."""
        self._closed = reason
        for node in self.nodes:
            node.kill()

    def close(self):
        """Ends all nodes, removes the disks, and raises if a kernel has complained."""
        self.kill_all()
        self.wires.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.check_consoles()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.close()
        except ConsoleFault:
            if kind is None:
                raise


def _remove_leftovers():
    """Removes the directories of processes that have not come to their close()."""
    for path in SCRATCH.glob(f"{PREFIX}*"):
        owner = path.name[len(PREFIX):].split("-")[0]
        if not Path("/proc", owner).exists():
            shutil.rmtree(path, ignore_errors=True)
