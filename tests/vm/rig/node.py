"""A node: a virtual machine with its disks, that can be started, cut off from power, started again."""
import os
import shlex
import subprocess
import tarfile
import time
from pathlib import Path

from . import autopsy, paths, qemu, state, uml
from .agent import Agent
from .console import Console
from .errors import NodeDied, Unfit
from .kernels import KERNELS
from .recording import Recording

BOOT_SECONDS = 300
MEM_MIB = {"small": 512, "debian": 1024, "programs": 1024}
SETTLE = (Path(__file__).parent / "settle.sh").read_text()


class Node:
    """Made by Lab.node(). Started and stopped any number of times; disks and address stay."""

    def __init__(self, lab, name, number, disks, image, smp, mem_mib):
        self.name = name
        self.number = number
        self.address = f"10.77.0.{number}"
        self.disks = {disk.name: disk for disk in disks}
        self.start_seconds = None
        self.qemu_words = []        # more for QEMU's command line, of which the guest sees nothing
        self.console = Console(lab.logs / f"{name}.console")
        self._lab = lab
        self._user_mode = KERNELS[lab.kernel].user_mode
        if self._user_mode:
            uml.check(image, disks)
            for disk in disks:
                disk.keeps_all = True
        self._smp = smp
        self._mem_mib = (mem_mib or MEM_MIB[image]) * KERNELS[lab.kernel].memory
        self._image = None if image == "small" else paths.system(image)
        self._root = _make_root(lab.directory / f"{name}.root", self._image) if self._image else None
        self._machine = None
        self._agent = None
        self._saved = False
        self._began = 0
        for disk in disks:
            disk.create(lab.directory, name)
        recorded = [disk for disk in disks if disk.recorded]
        self.recording = Recording(lab.directory, name, recorded) if recorded else None

    # power

    @property
    def running(self):
        return self._machine is not None and self._machine.running

    def start(self):
        """Boots the node and waits until it takes commands."""
        self.launch()
        self.settle()

    def prepare(self):
        """Makes the saved state that launch() needs, if it is not there; of several nodes at once."""
        if self._from_saved():
            state.find(self._shape())

    def launch(self):
        """Begins to boot; settle() has to follow. Lab.start() boots several at once this way."""
        if self.running:
            raise RuntimeError(f"{self.name} is running")
        self._began = time.monotonic()
        for disk in self.disks.values():
            disk.begin()
        if self.recording:
            self.recording.start()
        self._machine = self._in_user_mode() if self._user_mode else self._emulated()
        self._agent = Agent(self.name, self._machine.agent_socket, self._lab.slowness,
                            lambda: autopsy.take(self, self._lab.logs / f"{self.name}.autopsy"),
                            guest_first=self._user_mode)

    def settle(self):
        """Waits for the guest and makes it this node."""
        try:
            self._agent.greet(BOOT_SECONDS)
            self._settle()
        except NodeDied as error:
            raise NodeDied(f"{error}\n{self.console.tail()}\n{self._qemu_words()}") from error
        self.start_seconds = time.monotonic() - self._began

    def kill(self):
        """Cuts the power. What reached the disks is kept; see power_cut() for what a cache loses."""
        if self._machine:
            self._machine.kill()
        if self.recording:
            self.recording.stop()

    def power_cut(self, seed, policy="random"):
        """Cuts the power, and with it what the write caches of the volatile disks hold."""
        self.kill()
        for disk in self.disks.values():
            if disk.volatile:
                disk.power_cut(seed, policy)

    def shutdown(self, timeout=60):
        """Syncs, unmounts and powers off."""
        self._agent.spawn("if [ -d /run/systemd/system ]; then systemctl poweroff; "
                          "else sync; umount -ar 2>/dev/null; poweroff -f; fi")
        self.wait_off(timeout)

    def wait_off(self, timeout=60):
        """Waits until the machine has gone off, by its own doing."""
        self._lab.wait(lambda: not self.running, timeout, f"{self.name} to go off")
        self.kill()

    # commands

    def run(self, command, timeout=60, check=True, input=b""):
        """Runs a shell command and returns its Result; with check, failure raises."""
        return self.spawn(command, input).wait(timeout, check)

    def spawn(self, command, input=b""):
        """Starts a shell command and returns its Job."""
        if not self._agent:
            raise NodeDied(f"{self.name} was never started")
        return self._agent.spawn(command, input.encode() if isinstance(input, str) else input)

    def put(self, path, content, mode=0o644):
        """Writes a file on the node."""
        quoted = shlex.quote(path)
        data = content.encode() if isinstance(content, str) else content
        self.run(f"cat >{quoted} && chmod {mode:o} {quoted}", timeout=120, input=data)

    def get(self, path):
        """The bytes of a file on the node."""
        job = self.spawn(f"cat {shlex.quote(path)}")
        job.wait(120)
        return job.stdout

    def qmp(self, name, **arguments):
        """Runs a command of QEMU's machine protocol."""
        return self._machine.command(name, **arguments)

    # how it is put together

    def _from_saved(self):
        return not (self._user_mode or self._lab.cold or self._root)

    def _emulated(self):
        shape = self._shape()
        words = qemu.arguments(shape, self._backends(), self.console.path)
        self._saved = self._from_saved()
        if self._saved:
            words += ["-incoming", f"exec:cat {state.find(shape)}"]
        return qemu.Machine(words + self.qemu_words, self._lab.logs / f"{self.name}.qemu")

    def _in_user_mode(self):
        if self.qemu_words:
            raise Unfit(f"there is no emulator for {self.qemu_words}")
        peers = self._lab.peers(self)
        self._lab.wires.drain(self, peers)
        disks = [(self._pack_payload(), "payload"), *((disk.live, disk.name) for disk in self.disks.values())]
        return uml.Machine(self._lab.kernel, self._mem_mib, disks,
                           [self._lab.wires.end(self, peer) for peer in peers], self.console.path)

    def _shape(self):
        disks = [(qemu.PAYLOAD_MIB << 20, 512, 512)]
        if self._root:
            disks.append((self._image.stat().st_size, 512, 512))
        disks += [(disk.size, disk.logical_block, disk.physical_block)
                  for disk in self.disks.values()]
        return qemu.Shape(self._lab.kernel, self._smp, self._mem_mib,
                          len(self._lab.peers(self)), tuple(disks))

    def _backends(self):
        disks = [([f"driver=file,node-name=payload,filename={self._pack_payload()},read-only=on"],
                  "payload", "payload")]
        if self._root:
            disks.append(([f"driver=qcow2,node-name=root,file.driver=file,"
                           f"file.filename={self._root},file.cache.no-flush=on"], "root", "root"))
        recorder = self.recording and self.recording.socket
        disks += [(*disk.blockdev(recorder), disk.name) for disk in self.disks.values()]
        return qemu.Backends(disks, [self._netdev(peer) for peer in self._lab.peers(self)])

    def _netdev(self, peer):
        if self._lab.taps:
            return self._lab.taps.netdev(self, peer)
        here, there = (self._lab.directory / f"wire-{one.number}-{other.number}"
                       for one, other in ((self, peer), (peer, self)))
        return f"dgram,local.type=unix,local.path={here},remote.type=unix,remote.path={there}"

    def _pack_payload(self):
        """What is built for this kernel, as a disk with a tar archive on it."""
        path = self._lab.directory / f"{self.name}.payload"
        source = self._lab.payload
        with tarfile.open(path, "w") as archive:
            if source.exists():
                archive.add(source, ".")
        if path.stat().st_size > qemu.PAYLOAD_MIB << 20:
            raise ValueError(f"{source} is larger than {qemu.PAYLOAD_MIB} MiB")
        os.truncate(path, qemu.PAYLOAD_MIB << 20)
        return path

    def _settle(self):
        peers = self._lab.peers(self)
        settings = {
            "node": self.name,
            "now": f"{time.time():.0f}",
            "saved": int(self._saved),
            "address": self.address,
            "peers": "\n".join(f"{link} {peer.address} {self._mac(peer)}"
                               for link, peer in enumerate(peers)),
            "hosts": "\n".join(f"{node.address} {node.name}" for node in (self, *peers)),
        }
        lines = [f"{name}={shlex.quote(str(value))}" for name, value in settings.items()]
        self.run("\n".join([*lines, SETTLE]), timeout=BOOT_SECONDS, input=os.urandom(64))
        self._lab.links.apply(self)

    def _mac(self, peer):
        return f"52:54:00:00:{self.number:02x}:{peer.number:02x}"

    def _qemu_words(self):
        log = self._lab.logs / f"{self.name}.qemu"
        return log.read_text(errors="replace") if log.exists() else ""


def _make_root(path, image):
    """A node's own changeable view of the image of a whole system."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "raw", path],
                   check=True)
    return path
