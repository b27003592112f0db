"""Which configurations and workloads are measured on which devices and links.

A scene is a kind of devices with a kind of link. In each round every configuration of a scene is made
anew and all workloads run on it; the next round begins with another configuration. So what is compared
is measured in turns, in the same guests, and figures are medians over the rounds."""
from collections import namedtuple

from workloads import WARM_UP_SECONDS, WORKLOADS, expected_seconds

SETUP_SECONDS = 10          # to make a configuration and take it away
OVERHEAD_SECONDS = 2        # of each measurement: fio comes up, all is destaged

Scene = namedtuple("Scene", "device link configs workloads steady")
Step = namedtuple("Step", "workload kind")

LOCAL = ("raw", "linear", "writecache")
REPLICATED = ("drbd-a", "drbd-c", "lvr-async", "lvr-sync")
ALL = (*LOCAL, "lvr-none", *REPLICATED)

SCENES = {
    "plain": Scene("plain", "plain", ALL, tuple(WORKLOADS), True),
    "packets": Scene("plain", "packets", REPLICATED, ("rand4k-qd1", "rand4k-qd16", "seq64k", "seq1m"), False),
    "jumbo": Scene("plain", "jumbo", REPLICATED, ("rand4k-qd1", "rand4k-qd16", "seq64k", "seq1m"), False),
    "wan10": Scene("plain", "wan10", ("lvr-none", *REPLICATED),
                   ("rand4k-qd1", "rand4k-qd16", "fdatasync", "seq1m"), False),
    "wan100": Scene("plain", "wan100", ("lvr-none", *REPLICATED), ("rand4k-qd1", "rand4k-qd16"), False),
    "ssd": Scene("ssd", "plain", ALL, ("rand4k-qd1", "rand4k-qd16", "fdatasync", "randread"), False),
    "hdd": Scene("hdd", "plain", ALL, ("rand4k-qd1", "rand4k-qd16", "fdatasync"), True),
}


def chosen(options):
    """The scenes that options.only names, with what options.configs and options.workloads leave."""
    return {name: scene._replace(configs=_pick(scene.configs, options.configs),
                                 workloads=_pick(scene.workloads, options.workloads))
            for name, scene in SCENES.items() if name in _pick(SCENES, options.only)}


def _pick(names, wanted):
    return tuple(name for name in names if not wanted or name in wanted)


def steps(scene):
    """By number of volumes, for which a configuration has to be made anew: what to measure on it."""
    found = {}
    for name in scene.workloads:
        kinds = ("burst", "steady") if scene.steady and WORKLOADS[name].steady else ("burst",)
        found.setdefault(WORKLOADS[name].volumes, []).extend(Step(name, kind) for kind in kinds)
    return found


def order(configs, round_number):
    """Each round begins with another configuration."""
    first = round_number % len(configs) if configs else 0
    return configs[first:] + configs[:first]


def seconds(scene, options):
    """How long a scene takes at most, about."""
    by_volumes = steps(scene)
    once = sum(SETUP_SECONDS + 3 * WARM_UP_SECONDS + sum(OVERHEAD_SECONDS + expected_seconds(step.kind, options) for step in some)
               for some in by_volumes.values())
    return once * len(scene.configs) * options.rounds


def text(scenes, options):
    """The plan for the reader, the duration last."""
    lines = []
    for name, scene in scenes.items():
        measured = [step.workload + (" steady" if step.kind == "steady" else "")
                    for some in steps(scene).values() for step in some]
        lines.append(f"{name}: {scene.device} devices, {scene.link} link; {', '.join(scene.configs)}\n"
                     f"    {', '.join(measured)}; about {seconds(scene, options) / 60:.0f} min")
    total = sum(seconds(scene, options) for scene in scenes.values())
    lines.append(f"{options.rounds} rounds of {options.seconds} s each, logs of {options.log_mib} MiB: "
                 f"about {total / 60:.0f} min on an idle machine")
    return "\n".join(lines)
