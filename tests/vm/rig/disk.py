"""The disks of a node."""
import os
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from . import writelog
from .errors import Unfit

RECORD_BYTES_MAX = 64 << 30     # a sparse file


@dataclass
class Disk:
    """A disk; in the guest it is /dev/disk/rig/<name>. It keeps its content when the node restarts.

    A volatile disk has a write cache that a power cut loses: see power_cut(). Of a recorded one each
    moment can be rebuilt together with the other recorded disks of its node: see Node.recording."""
    name: str
    mib: int = 256
    volatile: bool = False
    recorded: bool = False
    logical_block: int = 512
    physical_block: int = 4096
    image: Path = field(default=None, repr=False)
    keeps_all: bool = field(default=False, repr=False)  # a guest in user mode has it: its cache is the host's

    @property
    def size(self):
        return self.mib << 20

    @property
    def live(self):
        """What is written to: of a volatile or recorded disk a copy, while `image` is the disk at start."""
        return Path(f"{self.image}.live") if self.volatile or self.recorded else self.image

    @property
    def record(self):
        return Path(f"{self.image}.record")

    def create(self, directory, node):
        """Makes the empty disk."""
        if self.volatile and self.recorded:
            raise ValueError(f"{self.name}: volatile or recorded, not both")
        if len(self.name) > 20:
            raise ValueError(f"{self.name}: a disk's name has at most 20 letters")
        self.image = Path(directory) / f"{node}.{self.name}"
        with open(self.image, "wb") as file:
            file.truncate(self.size)

    def begin(self):
        """Prepares the files for a start of the node."""
        if not self.volatile and not self.recorded:
            return
        if self.live.exists():      # what QEMU had is what the disk holds
            self.live.replace(self.image)
        _copy(self.image, self.live)
        if self.recorded:
            return
        with open(self.record, "wb") as file:
            file.truncate(RECORD_BYTES_MAX)

    def power_cut(self, seed, policy="random"):
        """Loses what a power cut may lose; the node must be off. Writes behind the last flush are
        all dropped (drop), all kept (keep), or each kept, dropped or torn, in any order (random)."""
        if not self.live.exists():
            raise ValueError(f"{self.name} has not run since the last power cut")
        if self.keeps_all and policy == "drop":
            raise Unfit(f"{self.name}: a disk in user mode drops nothing")
        if self.keeps_all or policy == "keep":
            self.live.replace(self.image)
            return
        with open(self.record, "rb") as log, open(self.image, "r+b") as image, \
                open(self.live, "rb") as live:
            if policy == "drop":
                writelog.drop_unflushed(log, image)
            elif policy == "random":
                writelog.cut_power(log, image, live, f"{self.name} {seed}")
            else:
                raise ValueError(f"no such policy: {policy}")
        self.live.unlink()

    def history(self):
        """What was written since the last start, to rebuild the disk at each moment of it."""
        if self.keeps_all:
            raise Unfit(f"{self.name}: nothing records a disk in user mode")
        return History(self)

    def read(self, offset, size):
        with open(self.live if self.live.exists() else self.image, "rb") as file:
            return os.pread(file.fileno(), size, offset)

    def write(self, offset, data):
        """Changes the disk behind the node's back; the node must be off."""
        with open(self.live if self.live.exists() else self.image, "r+b") as file:
            os.pwrite(file.fileno(), data, offset)

    def overwrite(self, image):
        """Gives a recorded disk the content of an open file; the node may run, if it does not use the disk
        and has nothing of it in memory."""
        if not self.recorded:
            raise ValueError(f"{self.name} is not recorded: QEMU may hold parts of it")
        with open(self.live, "r+b") as file:
            os.pwrite(file.fileno(), os.pread(image.fileno(), self.size, 0), 0)

    def blockdev(self, recorder=None):
        """QEMU's options for it, with the name of the topmost node last. recorder: the socket of the
        process that serves recorded disks."""
        if self.recorded:
            return [f"driver=nbd,node-name={self.name},server.type=unix,server.path={recorder},"
                    f"export={self.name},discard=unmap"], self.name
        nodes = [_file_node(f"{self.name}-file", self.live)]
        if self.volatile:
            nodes += [_file_node(f"{self.name}-record", self.record),
                      f"driver=blklogwrites,node-name={self.name},file={self.name}-file,"
                      f"log={self.name}-record,log-sector-size=512,discard=unmap"]
            return nodes, self.name
        return nodes, f"{self.name}-file"


class History:
    """The writes and flushes of a volatile disk since its last start. Taken while the node is off;
    valid until it starts again. Usable as a context manager."""

    def __init__(self, disk):
        self._files = ExitStack()
        self._log = self._files.enter_context(open(disk.record, "rb"))
        self._base = disk.image
        self.entries = writelog.read_entries(self._log, disk.size)
        self.flush_marks = writelog.flush_marks(self.entries)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._files.close()

    def write_image(self, path, count):
        """Makes a file hold the disk as it was after the first `count` entries."""
        _copy(self._base, path)
        with open(path, "r+b") as image:
            writelog.replay(self.entries[:count], self._log, image)

    def advance_image(self, path, done, count):
        """Brings a file that holds the disk after `done` entries forward to `count`."""
        with open(path, "r+b") as image:
            writelog.replay(self.entries[done:count], self._log, image)


def _copy(source, target):
    subprocess.run(["cp", "--sparse=always", source, target], check=True)


def _file_node(name, path):
    direct = "on" if _direct_works(path) else "off"
    aio = "native" if direct == "on" else "threads"
    return (f"driver=file,node-name={name},filename={path},aio={aio},"
            f"cache.direct={direct},cache.no-flush=on,discard=unmap")


def _direct_works(path):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
        return True
    except OSError:
        return False
