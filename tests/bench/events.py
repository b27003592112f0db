"""What happens once: synchronisation, catching up, recovery, takeover; memory; growth with volumes.

Each function measures one of these in fresh guests and yields keys and figures as the other measurements
have them."""
import dataclasses
import json
import re
import time
from typing import Callable

import configs
import devices
import links
import workloads
from configs import GROUP

MEM_MIB = 1280
AWAY_PART = 0.5             # of the log: what is written while the peer is away
IPERF_SECONDS = 10
WAN = "wan10"
VOLUME_COUNTS = (1, 4, 16, 64)
STAGES_MIB = (16, 64)
SMALL_SECTORS = 4096         # of each of many small volumes


def _guests(lab, options, link="plain"):
    """Two guests and their devices; a config is still to be made."""
    nodes = [lab.node(name, disks=devices.disks(options.log_mib), smp=1, mem_mib=MEM_MIB)
             for name in ("alpha", "beta")]
    lab.start()
    links.apply(lab, link)
    return nodes, [devices.up(node, "plain", options.log_mib) for node in nodes][0]


def _event(config, name, link="plain"):
    return config, "plain", link, name, "event"


def _write(config, mib):
    config.primary.run(f"fio --output=/dev/null --name=fill --direct=1 --filename={config.devices[0]} --rw=write "
                       f"--bs=64k --ioengine=libaio --iodepth=4 --size={config.span_mib}m --io_size={mib}m",
                       timeout=900)


def _rate(mib, seconds):
    return {"mb_per_s": round(mib * 1.048576 / seconds, 3), "seconds": round(seconds, 3)}


def synchronisation(lab, options):
    """The first full copy of a volume of noise, from the promotion on until the peer is consistent."""
    nodes, below = _guests(lab, options)
    nodes[0].run(f"dd if=/dev/urandom of={below.volumes[0]} bs=1M count={below.volume_mib} oflag=direct 2>&1",
                 timeout=900)
    config = configs.LvrAsync(lab, *nodes)
    config.start(below, 1)
    began = time.monotonic()
    config.promote()
    yield _event("lvr-async", "sync"), _rate(below.volume_mib, time.monotonic() - began)


def catch_up(lab, options):
    """From the moment on at which a peer that was cut off is sent to again, until it has all; and what
    iperf3 gets over the same link."""
    nodes, below = _guests(lab, options, WAN)
    config = configs.LvrAsync(lab, *nodes)
    config.up(below, 1)
    mib = max(1, int(below.log_mib * AWAY_PART))
    lab.cut()
    lab.wait(lambda: config.status(nodes[0])["link"] == "waiting", what="the cut to be noticed")
    _write(config, mib)
    links.apply(lab, WAN)
    lab.wait(lambda: config.status(nodes[0])["link"] in ("catching-up", "streaming"), what="the link")
    began = time.monotonic()
    config.wait(nodes[1], durable=config.status(nodes[0])["head"])
    yield _event("lvr-async", "catch-up", WAN), _rate(mib, time.monotonic() - began)
    yield _event("iperf3", "stream", WAN), {"mb_per_s": _iperf(*nodes)}


def _iperf(sender, receiver):
    environment = "LD_LIBRARY_PATH=/lvr/lib"
    receiver.run(f"{environment} iperf3 -s -D >/dev/null 2>&1")
    out = sender.run(f"{environment} iperf3 -J -t {IPERF_SECONDS} -c {receiver.name}", timeout=120).out
    return round(json.loads(out)["end"]["sum_received"]["bits_per_second"] / 8e6, 3)


def recovery(lab, options):
    """After a crash with a log that is nearly full of what the peer lacks: until the group is up, and
    until it serves."""
    nodes, below = _guests(lab, options)
    config = configs.LvrAsync(lab, *nodes)
    config.up(below, 1)
    lab.cut()
    mib = int(below.log_mib * 0.85)
    _write(config, mib)
    nodes[0].kill()
    nodes[0].start()
    config.configure(nodes[0], below, 1)
    began = time.monotonic()
    nodes[0].run(f"lvrctl start {GROUP}", timeout=300)
    up = time.monotonic()
    nodes[0].run(f"lvrctl promote {GROUP} --force", timeout=300)
    yield _event("lvr-async", "recovery"), {"log_mib": mib, "start_seconds": round(up - began, 3),
                                            "serving_seconds": round(time.monotonic() - began, 3)}


def takeover(lab, options):
    """From the operator's command on until the first write has been acknowledged."""
    nodes, below = _guests(lab, options)
    config = configs.LvrAsync(lab, *nodes)
    config.up(below, 1)
    _write(config, max(1, int(below.log_mib * AWAY_PART)))
    nodes[0].kill()
    lab.wait(lambda: config.status(nodes[1])["link"] == "waiting", what="the loss to be noticed")
    began = time.monotonic()
    nodes[1].run(f"lvrctl failover {GROUP} --force >/dev/null; "
                 f"dd if=/dev/zero of={config.devices[0]} bs=4k count=1 oflag=direct 2>&1", timeout=300)
    yield _event("lvr-async", "takeover"), {"seconds": round(time.monotonic() - began, 3)}


def memory(lab, options):
    """What a group takes by itself, and more for each volume and each MiB of staging memory."""
    nodes, below = _guests(lab, options)
    (low, high) = STAGES_MIB
    one, many, staged = (_kib(lab, nodes, below, volumes, stage)
                         for volumes, stage in ((1, low), (devices.VOLUMES, low), (1, high)))
    yield _event("lvr-none", "memory"), {
        "kib_of_group": one - low * 1024, "kib_per_volume": round((many - one) / (devices.VOLUMES - 1)),
        "kib_per_staged_mib": round((staged - one) / (high - low))}


def _kib(lab, nodes, below, volumes, stage_mib):
    """Memory that is less while a group is there, the module loaded before."""
    config = configs.Lvr(lab, *nodes)
    config.stage_mib = stage_mib
    nodes[0].run("modprobe dm-lvr; dd if=/dev/zero of=/dev/disk/rig/log bs=1M count=1 oflag=direct 2>&1")
    before = _free_kib(nodes[0])
    config.up(below, volumes)
    taken = before - _free_kib(nodes[0])
    config.down()
    return taken


def _free_kib(node):
    out = node.run("sync; echo 3 >/proc/sys/vm/drop_caches; cat /proc/meminfo").out
    return int(re.search(r"MemFree: +(\d+)", out).group(1))


def growth(lab, options):
    """4k random writes on groups of 1 to 64 small volumes."""
    nodes, below = _guests(lab, options)
    for node in nodes:
        for number in range(max(VOLUME_COUNTS)):
            node.run(f"dmsetup create small{number} --table "
                     f"'0 {SMALL_SECTORS} linear {below.volumes[0]} {number * SMALL_SECTORS}'")
    small = dataclasses.replace(below, volumes=tuple(f"/dev/mapper/small{i}" for i in range(max(VOLUME_COUNTS))))
    for volumes in VOLUME_COUNTS:
        for node in nodes:
            node.run(f"dd if=/dev/zero of={below.log} bs=1M count=1 oflag=direct 2>&1")
        config = configs.LvrAsync(lab, *nodes)
        config.span_mib = SMALL_SECTORS >> 11
        config.up(small, volumes)
        workload = dataclasses.replace(workloads.WORKLOADS["rand4k-qd16"], volumes=volumes)
        yield _event("lvr-async", f"{volumes}-volumes"), workloads.measure(config, workload, "burst", options)
        config.down()


@dataclasses.dataclass(frozen=True)
class Event:
    measure: Callable
    link: str = "plain"


EVENTS = {
    "sync": Event(synchronisation),
    "catch-up": Event(catch_up, WAN),
    "recovery": Event(recovery),
    "takeover": Event(takeover),
    "memory": Event(memory),
    "growth": Event(growth),
}
