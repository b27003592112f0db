"""The workloads, as jobs of fio with direct I/O.

Writes are measured in two ways. burst: as much as fits the log and the staging memory. steady: three
times the log, and the clock stops when all of it is on the volumes, on both nodes."""
import json
import time
from dataclasses import dataclass

BURST_PART = 3 / 16         # of the log: small writes take twice their bytes of it; what has half of it full begins to write back
STEADY_LOGS = 3
WARM_UP_MIB, WARM_UP_SECONDS = 4, 1
ASSUMED_IOPS = 1000         # for the duration that is expected
NS_PER_US = 1000


class Short(Exception):
    """A steady run was not done within its limit."""


@dataclass(frozen=True)
class Workload:
    """options: fio's. steady: whether that is measured, too. volumes: how many are used."""
    options: str
    writes: bool = True
    steady: bool = False
    flushes: bool = False
    volumes: int = 1
    jobs: int = 1


def _job(pattern, block, depth=1, more=""):
    return f"--rw={pattern} --bs={block} --ioengine=libaio --iodepth={depth} {more}".strip()


_SYNC = "--rw=randwrite --bs=4k --ioengine=psync --fdatasync=1"

WORKLOADS = {
    "rand4k-qd1": Workload(_job("randwrite", "4k"), steady=True),
    "rand4k-qd16": Workload(_job("randwrite", "4k", 16), steady=True),
    "fdatasync": Workload(_SYNC, flushes=True),
    "fdatasync-4jobs": Workload(_SYNC, flushes=True, jobs=4),
    "seq64k": Workload(_job("write", "64k", 4)),
    "seq1m": Workload(_job("write", "1m", 4)),
    "randread": Workload(_job("randread", "4k"), writes=False),
    "mix70": Workload(_job("randrw", "4k", 4, "--rwmixread=70")),
    "rand4k-4volumes": Workload(_job("randwrite", "4k", 16), volumes=4),
}


def amount_mib(kind, log_mib):
    return log_mib * STEADY_LOGS if kind == "steady" else max(1, int(log_mib * BURST_PART))


def limit_seconds(kind, has_log, options):
    """A steady run of what has a log must write all; everything else may end earlier."""
    if kind == "steady":
        return 8 * expected_seconds(kind, options) if has_log else 3 * options.seconds
    return options.seconds


def expected_seconds(kind, options):
    if kind == "steady":
        return max(3 * options.seconds, amount_mib(kind, options.log_mib) * 256 / ASSUMED_IOPS)
    return options.seconds


def warm_up(config):
    """The emulator translates code when it first runs, which no machine does; without, the first workload would pay."""
    for name in ("rand4k-qd1", "rand4k-qd16", "fdatasync"):
        _fio(config, WORKLOADS[name], WARM_UP_MIB, WARM_UP_SECONDS)
    config.settle()


def measure(config, workload, kind, options):
    """Runs a workload on the devices of a configuration that is up; what was measured, as a dict."""
    mib, limit = amount_mib(kind, options.log_mib), limit_seconds(kind, config.has_log, options)
    before = [_busy_seconds(node) for node in config.nodes]
    report = _fio(config, workload, mib, limit)
    ended = time.monotonic()
    config.settle()
    drain = time.monotonic() - ended if kind == "steady" else 0
    cpu, peer_cpu = (_busy_seconds(node) - was
                     for node, was in zip(config.nodes, before, strict=True))
    found = _summary(report, workload, drain) | {"cpu_s": round(cpu, 3), "peer_cpu_s": round(peer_cpu, 3)}
    if kind == "steady" and config.has_log and found["mb"] < 0.99 * mib * (1 << 20) / 1e6:
        raise Short(f"{found['mb']} MB of {mib} MiB were written in {limit:.0f} s")
    return found


def _fio(config, workload, mib, limit):
    devices = ":".join(config.devices[:workload.volumes])
    command = (f"fio --output-format=json --name=bench --direct=1 --filename={devices} {workload.options} "
               f"--size={config.span_mib * workload.volumes}m --io_size={(mib << 10) // workload.jobs}k "
               f"--runtime={limit:.0f} --numjobs={workload.jobs} --group_reporting --percentile_list=50:99")
    out = config.primary.run(command, timeout=limit + 120).out
    return json.loads(out[out.index("{"):])["jobs"]


def _summary(report, workload, drain_seconds):
    sides = [job[side] for job in report for side in ("read", "write") if job[side]["total_ios"]]
    ios = sum(side["total_ios"] for side in sides)
    size = sum(side["io_bytes"] for side in sides)
    seconds = max(side["runtime"] for side in sides) / 1000 + drain_seconds
    # with fdatasync the application waits for both: which of the two takes the time differs
    waits = [report[0]["write" if workload.writes else "read"]["clat_ns"]]
    waits += [report[0]["sync"]["lat_ns"]] if workload.flushes else []
    percentile = {key: round(sum(wait["percentile"][f"{key}.000000"] for wait in waits) / NS_PER_US, 1)
                  for key in (50, 99)}
    return {"iops": round(ios / seconds, 1), "mb_per_s": round(size / seconds / 1e6, 3), "mb": round(size / 1e6, 3),
            "lat_p50_us": percentile[50], "lat_p99_us": percentile[99], "seconds": round(seconds, 3)}


def _busy_seconds(node):
    """Processor time of a guest that was not idle."""
    user, nice, system, _idle, _iowait, irq, softirq = map(
        int, node.run("head -n 1 /proc/stat").out.split()[1:8])
    return (user + nice + system + irq + softirq) / 100
