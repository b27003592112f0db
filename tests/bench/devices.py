"""The block devices that configurations are built on, in the guest.

plain  QEMU's disks, files in the host's memory
ssd    null_blk: each request takes 0.2 ms, any number of them at once
hdd    the volumes behind dm-delay: each request takes 5 ms and up to two ticks more; the log is plain

dm-delay counts in ticks and so cannot stand in for an SSD."""
from dataclasses import dataclass

from rig import Disk

VOLUMES = 4
VOLUME_MIB = 128
DELAY_MS = 5
NULL_BLK = "memory_backed=1 irqmode=2 completion_nsec=200000 blocksize=512 discard=1"
NAMES = ["log", *(f"d{i}" for i in range(VOLUMES))]


@dataclass(frozen=True)
class Devices:
    """Paths in a guest. The log is also the cache of dm-writecache."""
    volumes: tuple
    log: str
    volume_mib: int
    log_mib: int

    @property
    def sectors(self):
        return self.volume_mib << 11


def disks(log_mib):
    return [Disk(name, mib=log_mib if name == "log" else VOLUME_MIB) for name in NAMES]


def up(node, kind, log_mib):
    """Makes the devices of a kind, all empty."""
    paths = {name: f"/dev/disk/rig/{name}" for name in NAMES}
    node.run("set -e\n" + "\n".join(f"blkdiscard -f {path}" for path in paths.values()))
    paths |= MAKERS[kind](node, log_mib)
    return Devices(tuple(paths[f"d{i}"] for i in range(VOLUMES)), paths["log"], VOLUME_MIB, log_mib)


def down(node, kind):
    if kind == "hdd":
        node.run("dmsetup remove " + " ".join(f"hdd-d{i}" for i in range(VOLUMES)))
    elif kind == "ssd":
        node.run("set -e; for i in 0 1 2 3 4; do rmdir /sys/kernel/config/nullb/nullb$i; done")


def _plain(_node, _log_mib):
    return {}


def _ssd(node, log_mib):
    node.run("set -e; modprobe null_blk nr_devices=0; [ -d /sys/kernel/config/nullb ] || "
             "mount -t configfs configfs /sys/kernel/config")
    for number, name in enumerate(NAMES):
        settings = f"{NULL_BLK} size={log_mib if name == 'log' else VOLUME_MIB} power=1"
        node.run(f"set -e; cd /sys/kernel/config/nullb; mkdir nullb{number}; cd nullb{number}\n"
                 + "\n".join("echo {1} >{0}".format(*word.split("=")) for word in settings.split()))
    return {name: f"/dev/nullb{number}" for number, name in enumerate(NAMES)}


def _hdd(node, _log_mib):
    for name in NAMES[1:]:
        node.run(f"dmsetup create hdd-{name} --table "
                 f"'0 {VOLUME_MIB << 11} delay /dev/disk/rig/{name} 0 {DELAY_MS}'")
    return {name: f"/dev/mapper/hdd-{name}" for name in NAMES[1:]}


MAKERS = {"plain": _plain, "ssd": _ssd, "hdd": _hdd}
