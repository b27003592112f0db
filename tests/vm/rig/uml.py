"""A User Mode Linux process: a guest of a debug kernel without an emulator, on one processor.

It boots in a second or two and so starts from no saved state. Its disks are files with the host's page cache behind them,
which outlives the process: nothing can be lost of them, and no flush counts."""
import os
import socket
import subprocess

from . import paths
from .errors import Unfit

DISKS_MAX = 8
KERNEL_OPTIONS = ("quiet loglevel=5 cryptomgr.notests=1 "
                  "noreboot panic=-1 oops=panic panic_on_warn=1 rcupdate.rcu_cpu_stall_timeout=60")
SCRATCH = "/dev/shm"            # of the guest's memory
SO_RCVBUFFORCE = 33             # asm-generic/socket.h; the socket module does not have it
WIRE_BYTES = 4 << 20


def check(image, disks):
    """Raises Unfit for a node that such a guest cannot be."""
    if image != "small":
        raise Unfit(f"no {image} image in user mode")
    if len(disks) >= DISKS_MAX:
        raise Unfit(f"{len(disks)} disks, in user mode there are {DISKS_MAX - 1}")
    for disk in disks:
        if disk.logical_block != 512:
            raise Unfit(f"{disk.name}: blocks of {disk.logical_block} bytes, in user mode they have 512")
        if disk.recorded:
            raise Unfit(f"{disk.name}: nothing records the disks of a guest in user mode")


class Wires:
    """The two ends of each link between nodes, as sockets. They outlive the machines: what is sent to one that is off
    is lost, and does not come back to the sender as an error."""

    def __init__(self):
        self._ends = {}         # (node, peer) -> the node's end

    def end(self, node, peer):
        if (node, peer) not in self._ends:
            self._ends[node, peer], self._ends[peer, node] = _wire()
        return self._ends[node, peer]

    def drain(self, node, peers):
        """Takes away what has come while the node was off."""
        for end in (self.end(node, peer) for peer in peers):
            try:
                while end.recv(1 << 16, socket.MSG_DONTWAIT):
                    pass
            except BlockingIOError:
                pass

    def close(self):
        for end in self._ends.values():
            end.close()
        self._ends = {}


def _wire():
    """UDP on the loopback, as it drops what finds no room: a socket of another kind would block its sender."""
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for end in ends:
        end.bind(("127.0.0.1", 0))
        end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, WIRE_BYTES)
    for end, other in (ends, ends[::-1]):
        end.connect(other.getsockname())
    return ends


def arguments(kernel, mem_mib, disks, agent, wires):
    """The command line. disks: of (file, serial); agent and wires: sockets."""
    words = [str(paths.vmlinux(kernel)), f"mem={mem_mib}M", f"initrd={paths.initramfs(kernel)}",
             *KERNEL_OPTIONS.split(), "con=null", "con0=null,fd:1", "ssl=null", f"ssl0=fd:{agent.fileno()}",
             "agent=/dev/ttyS0"]
    words += [f"ubd{number}={path},,{serial}" for number, (path, serial) in enumerate(disks)]
    words += [f"vec{number}:transport=fd,fd={wire.fileno()}" for number, wire in enumerate(wires)]
    return words


class Machine:
    """A running guest; it speaks to its console on the file `console`."""

    def __init__(self, kernel, mem_mib, disks, wires, console):
        self.agent_socket, agent = socket.socketpair()
        # each process of the guest holds it open
        self._alive, alive = os.pipe()
        words = arguments(kernel, mem_mib, disks, agent, wires)
        # should this process die, so does its guest, and with the first process of a guest all of them.
        # That is a shell: the abort() that ends a panic has no effect on a first process
        words = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child",
                 "sh", "-c", 'ulimit -c 0; "$@"; exit', "sh", *words]
        with open(console, "ab") as out:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=os.environ | {"TMPDIR": SCRATCH},
                pass_fds=[alive, agent.fileno(), *(wire.fileno() for wire in wires)])
        agent.close()
        os.close(alive)

    @property
    def running(self):
        return self.process.poll() is None

    def command(self, name, **_):
        raise Unfit(f"{name}: there is no emulator to ask")

    def kill(self):
        """Ends it at once, as a loss of power does, and waits until all its processes are gone."""
        self.process.kill()
        self.process.wait()
        if self._alive is not None:
            while os.read(self._alive, 1):
                pass
            os.close(self._alive)
            self._alive = None
