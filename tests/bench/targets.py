"""The ratios that LVR is to reach, computed from results. `first` is wanted now, `then` later."""
from dataclasses import dataclass
from typing import Callable

WAN_RTT_MS = 10


class Missing(Exception):
    """A figure that a ratio needs has not been measured."""


@dataclass(frozen=True)
class Target:
    """ratio is a function of Figures. least: it must not be less than `first`; else not more."""
    name: str
    ratio: Callable
    first: float
    then: float = None
    least: bool = True

    def met(self, value):
        return value >= self.first if self.least else value <= self.first


class Figures:
    """Looks up what was measured, for one ratio: all that it asks for must be of one run."""

    def __init__(self, measurements):
        self._by_key = {(m["config"], m["device"], m["link"], m["workload"], m["kind"]): m
                        for m in measurements}
        self.run = None

    def get(self, name, config, workload, kind="burst", device="plain", link="plain"):
        measured = self._by_key.get((config, device, link, workload, kind), {})
        if not measured.get(name):
            raise Missing(f"{name} of {config}, {workload} {kind}, {device} devices, {link} link")
        if self.run not in (None, measured["run"]):
            raise Missing(f"{name} of {config}, {workload} {kind}, is of another run")
        self.run = measured["run"]
        return measured[name]


def _ratio(name, config, other, workload, **where):
    """Of one figure of two configurations."""
    return lambda figures: (figures.get(name, config, workload, **where)
                            / figures.get(name, other, workload, **where))


def _speed(text, config, other, workload, first, then=None, **where):
    return Target(f"{text}: {config} / {other}", _ratio("iops", config, other, workload, **where), first, then)


def _wan_latency(figures):
    one_log_write = figures.get("lat_p50_us", "lvr-none", "rand4k-qd1", link="wan10")
    return figures.get("lat_p50_us", "lvr-sync", "rand4k-qd1", link="wan10") / (WAN_RTT_MS * 1000 + one_log_write)


def _link_use(figures):
    return (figures.get("mb_per_s", "lvr-async", "catch-up", "event", link="wan10")
            / figures.get("mb_per_s", "iperf3", "stream", "event", link="wan10"))


def _instructions(figures):
    return (figures.get("primary", "lvr-async", "instructions-qd1", "event", link="packets")
            / figures.get("primary", "drbd-a", "instructions-qd1", "event", link="packets"))


TARGETS = (
    _speed("4k QD1 burst", "lvr-async", "raw", "rand4k-qd1", 0.8, 0.95),
    _speed("4k QD1 burst", "lvr-async", "drbd-a", "rand4k-qd1", 2, 2.3),
    _speed("4k QD16 burst", "lvr-async", "raw", "rand4k-qd16", 0.6, 0.9),
    _speed("4k QD16 burst", "lvr-async", "drbd-a", "rand4k-qd16", 1.8, 2.5),
    _speed("4k QD1 steady", "lvr-async", "drbd-a", "rand4k-qd1", 1.2, 1.6, kind="steady"),
    _speed("4k QD16 steady", "lvr-async", "drbd-a", "rand4k-qd16", 1.2, 1.6, kind="steady"),
    _speed("fdatasync", "lvr-async", "raw", "fdatasync", 0.85, 1),
    _speed("fdatasync, 4 jobs", "lvr-async", "raw", "fdatasync-4jobs", 1.2),
    _speed("fdatasync", "lvr-async", "drbd-a", "fdatasync", 1.6, 2),
    _speed("4k QD1", "lvr-sync", "drbd-c", "rand4k-qd1", 1.3, 2),
    _speed("fdatasync", "lvr-sync", "drbd-c", "fdatasync", 1.3, 2),
    Target("WAN sync latency / (RTT + one log write)", _wan_latency, 1.1, least=False),
    _speed("HDD 4k QD1 burst", "lvr-async", "raw", "rand4k-qd1", 15, device="hdd"),
    _speed("HDD 4k QD1 burst", "lvr-async", "writecache", "rand4k-qd1", 0.9, device="hdd"),
    _speed("HDD 4k QD1 steady", "lvr-async", "writecache", "rand4k-qd1", 0.8, device="hdd", kind="steady"),
    _speed("SSD 4k QD1 burst", "lvr-async", "raw", "rand4k-qd1", 0.9, device="ssd"),
    Target("1M processor time per MB: lvr-none / writecache",
           _ratio("cpu_ms_per_mb", "lvr-none", "writecache", "seq1m"), 1.5, least=False),
    _speed("1M", "lvr-none", "writecache", "seq1m", 0.8),
    _speed("1M", "lvr-async", "drbd-a", "seq1m", 5),
    _speed("random read", "lvr-async", "linear", "randread", 0.97),
    _speed("saturated WAN, 4k QD16", "lvr-async", "lvr-none", "rand4k-qd16", 0.95, link="wan10"),
    Target("catch-up over the WAN / iperf3", _link_use, 0.9),
    Target("instructions per 4k write QD1, primary: lvr-async / drbd-a", _instructions, 0.6, least=False),
)


def judge(measurements):
    """For each target: it, its ratio or None, a word about it, and the run that its figures are of."""
    verdicts = []
    for target in TARGETS:
        figures = Figures(measurements)
        try:
            value = target.ratio(figures)
            verdicts.append((target, value, "met" if target.met(value) else "MISSED", figures.run))
        except Missing as missing:
            verdicts.append((target, None, f"NOT MEASURED: {missing}", None))
    return verdicts
