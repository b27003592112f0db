"""A QEMU process: its command line, its control socket, its end."""
import ctypes
import json
import mmap
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from functools import lru_cache

from . import paths

PROGRAM = str(paths.QEMU) if paths.QEMU.exists() else "qemu-system-x86_64"
PAYLOAD_MIB = 64
KERNEL_OPTIONS = (
    "console=ttyS0 quiet loglevel=5 mitigations=off nokaslr audit=0 lsm=none tsc=reliable "
    "clocksource=tsc no_timer_check cryptomgr.notests=1 net.ifnames=0 "
    "panic=-1 oops=panic panic_on_warn=1 watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=60")


_MEASURING = threading.Lock()


def tsc_mhz():
    """Rate of this machine's time stamp counter, which its guests see too. A guest on a busy machine
    measures it wrong by far at times, and its clock then runs so much too fast."""
    with _MEASURING:        # a second reading might differ
        return _tsc_mhz()


@lru_cache
def _tsc_mhz():
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("0f31 48c1e220 4809d0 c3"))     # rdtsc; shl $32,%rdx; or %rdx,%rax; ret
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))

    def sample():
        """Nanoseconds and ticks, of the closest of some readings."""
        readings = [(time.monotonic_ns(), rdtsc(), time.monotonic_ns()) for _ in range(50)]
        before, ticks, after = min(readings, key=lambda reading: reading[2] - reading[0])
        return (before + after) / 2, ticks

    first, begin = sample()
    time.sleep(0.1)
    last, end = sample()
    return round((end - begin) * 1000 / (last - first))


@dataclass(frozen=True)
class Shape:
    """All of a machine that its guest can see, and so all that a saved state depends on."""
    kernel: str
    smp: int
    mem_mib: int
    links: int
    disks: tuple        # of (size in bytes, logical block, physical block)


@dataclass(frozen=True)
class Backends:
    """What stands behind a machine's devices, in their order."""
    disks: list         # of (-blockdev options, name of the top node, serial)
    links: list         # of -netdev options without the id


def arguments(shape, backends, console):
    """The command line; the sockets are handed over as file descriptors 'agent' and 'monitor'."""
    words = [
        PROGRAM, "-machine", "q35,hpet=off,usb=off,smbus=off", "-accel",
        "tcg,thread=multi,tb-size=256", "-cpu", "max", "-smp", str(shape.smp),
        "-m", str(shape.mem_mib), "-nodefaults", "-no-user-config", "-display", "none",
        "-no-reboot", "-kernel", str(paths.vmlinux(shape.kernel)), "-initrd", str(paths.initramfs(shape.kernel)),
        "-append", f"{KERNEL_OPTIONS} tsc_early_khz={tsc_mhz()}000",
        "-chardev", f"file,id=console,path={console},append=on", "-serial", "chardev:console",
        "-chardev", "socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
        "-device", "virtio-serial-pci,max_ports=2",
        "-chardev", "socket,id=agent,fd={agent}",
        "-device", "virtserialport,chardev=agent,name=lvr.agent",
    ]
    for number, ((nodes, top, serial), (_, logical, physical)) in enumerate(
            zip(backends.disks, shape.disks, strict=True)):
        for node in nodes:
            words += ["-blockdev", node]
        # blklogwrites adds a piece to each request, and one that was merged to the limit is too
        # much for QEMU then
        merging = "off" if any("blklogwrites" in node for node in nodes) else "on"
        words += ["-device", f"virtio-blk-pci,drive={top},serial={serial},id=disk{number},"
                  f"logical_block_size={logical},physical_block_size={physical},"
                  f"write-cache=on,discard=on,write-zeroes=on,request-merging={merging}"]
    for number, link in enumerate(backends.links):
        words += ["-netdev", f"{link},id=net{number}",
                  "-device", f"virtio-net-pci,netdev=net{number},id=nic{number},romfile=,"
                  f"mac=52:54:00:00:00:{number:02x}"]
    return words


class Machine:
    """A running QEMU."""

    def __init__(self, words, log):
        """Starts it; what QEMU itself has to say goes to the file log."""
        self.agent_socket, agent = socket.socketpair()
        monitor, theirs = socket.socketpair()
        descriptors = {"agent": agent.fileno(), "monitor": theirs.fileno()}
        # should this process die, so does its QEMU
        words = ["setpriv", "--pdeathsig", "KILL", *words]
        words = [word.format(**descriptors) if "fd={" in word else word for word in words]
        with open(log, "ab") as out:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            pass_fds=descriptors.values())
        agent.close()
        theirs.close()
        self._monitor = Monitor(monitor)

    @property
    def running(self):
        return self.process.poll() is None

    def command(self, name, **arguments):
        """Runs a command of QEMU's machine protocol."""
        return self._monitor.command(name, arguments)

    def kill(self):
        """Ends it at once, as a loss of power does."""
        self.process.kill()
        self.process.wait()
        self._monitor.close()


class Monitor:
    """QEMU's control socket."""

    def __init__(self, sock):
        self._sock = sock
        self._lines = sock.makefile("r")
        self._lock = threading.Lock()
        self._ready = False

    def command(self, name, arguments):
        with self._lock:
            if not self._ready:
                self._lines.readline()      # the greeting
                self._ready = True
                self._ask("qmp_capabilities", {})
            return self._ask(name, arguments)

    def _ask(self, name, arguments):
        request = {"execute": name, "arguments": arguments}
        self._sock.sendall(json.dumps(request).encode())
        for line in self._lines:
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise RuntimeError(f"{name}: QEMU has ended")

    def close(self):
        self._lines.close()
        self._sock.close()
