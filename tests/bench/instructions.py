#!/usr/bin/python3
"""Counts the instructions that a 4k random write costs each guest, all its threads and the writer
included: with LVR in async mode, with DRBD's protocol A, and bare. Called by `make bench-instructions`.

A plugin of the emulator counts (tests/vm/plugin/insn.c); each guest has one processor. A short and a long run are
made, and the difference is divided by the difference of their writes, so what a run costs by itself drops
out. Each ends with a pause in which what was written gets to the volumes of both nodes: that is counted, too.

The count does not depend on the speed of the machine, but for what the guests do by the clock: timer
ticks while they are busy, and how many writes share a chunk, a send or an acknowledgement. The link is that of the
scene packets: the guests cut what they send into packets themselves."""
import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "vm"))

import configs  # noqa: E402
import devices  # noqa: E402
import plan  # noqa: E402
from results import Results, commit  # noqa: E402
from rig import Lab, paths  # noqa: E402
from rig.counter import Counter  # noqa: E402

FILE = paths.BUILD / "bench/instructions.json"
COMPARED = ("raw", "drbd-a", "lvr-async")
DEPTHS = (1, 16)
SHORT, LONG = 256, 2048     # writes
PAUSE_SECONDS = 3           # many times what LVR and DRBD wait for more to come
PAUSE_SECONDS_MAX = 100
LOG_MIB = 64
MEM_MIB = 768


def at_rest(config):
    """Whether all that was written is on the volumes of both nodes, without waiting for it."""
    if not isinstance(config, configs.Lvr):
        return True
    states = [config.status(node) for node in config.nodes]
    return all(state["destaged"] == states[0]["head"] for state in states)


def command(config, writes, depth, pause):
    """The shell command of a run."""
    return (f"fio --output=/dev/null --name=count --direct=1 --filename={config.devices[0]} --rw=randwrite "
            f"--bs=4k --ioengine=libaio --iodepth={depth} --size={config.span_mib}m --io_size={writes * 4}k "
            f"&& sleep {pause}")


def one_run(config, counted, writes, depth, pause):
    """What a run took on each node, or None if not all was on the volumes when the pause ended."""
    before = [node.count() for node in counted]
    config.primary.run(command(config, writes, depth, pause), timeout=900)
    spent = [node.count() - was for node, was in zip(counted, before, strict=True)]
    return spent if at_rest(config) else None


def per_write(config, counted, depth):
    """Instructions per write on the primary and on the secondary."""
    pause = PAUSE_SECONDS
    while pause <= PAUSE_SECONDS_MAX:
        runs = [one_run(config, counted, writes, depth, pause) for writes in (SHORT, LONG)]
        if all(runs):
            return [round((long - short) / (LONG - SHORT)) for short, long in zip(*runs, strict=True)]
        pause *= 2
    raise TimeoutError(f"{PAUSE_SECONDS_MAX} s after the last write the volumes are behind")


def measure(lab, nodes, counted, name):
    below = [devices.up(node, "plain", LOG_MIB) for node in nodes][0]
    config = configs.CONFIGS[name](lab, *nodes)
    config.up(below, 1)
    one_run(config, counted, SHORT, 1, PAUSE_SECONDS)       # what only the first writes take
    found = {depth: per_write(config, counted, depth) for depth in DEPTHS}
    config.down()
    return found


def table(measurements):
    """A line per configuration and depth; the secondary of a bare device does nothing but tick."""
    lines = [f"{'':>11}{'queue depth':>13}{'primary':>10}{'secondary':>11}"]
    lines += [f"{one['config']:>11}{one['workload'].rsplit('qd', 1)[1]:>13}{one['primary']:>10g}"
              f"{one['secondary']:>11g}" for one in measurements]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="6.1")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results = Results({"commit": commit(), "kernel": options.kernel, "rounds": options.rounds,
                       "date": time.strftime("%F %T")}, FILE)
    payload = paths.BUILD / "bench/payload" / options.kernel
    with Lab(paths.BUILD / "bench/logs/instructions", kernel=options.kernel, payload=payload) as lab:
        nodes = [lab.node(name, disks=devices.disks(LOG_MIB), smp=1, mem_mib=MEM_MIB) for name in ("alpha", "beta")]
        counted = [Counter(node) for node in nodes]
        lab.start()
        for number in range(options.rounds):
            for name in plan.order(COMPARED, number):
                for depth, (primary, secondary) in measure(lab, nodes, counted, name).items():
                    results.add((name, "plain", "packets", f"instructions-qd{depth}", "event"),
                                {"primary": primary, "secondary": secondary})
                    results.write()
    print(table(results.measurements()))


if __name__ == "__main__":
    main()
