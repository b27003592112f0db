#!/usr/bin/python3
"""Measures LVR beside the bare device, dm-linear, dm-writecache and DRBD, in the same two guests.

Results go to build/bench/results.json, a table to stdout. Called by `make bench`."""
import argparse
import functools
import os
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "vm"))

import configs  # noqa: E402
import devices  # noqa: E402
import events  # noqa: E402
import links  # noqa: E402
import plan  # noqa: E402
import quiet  # noqa: E402
import report  # noqa: E402
import workloads  # noqa: E402
from results import FILE, Results, commit  # noqa: E402
from rig import CommandFailed, CommandTimeout, ConsoleFault, Lab, NodeDied, paths  # noqa: E402
from rig.taps import Taps  # noqa: E402

MEM_MIB = 1280          # null_blk keeps its content there
FAULTS = (CommandFailed, CommandTimeout, ConsoleFault, NodeDied, TimeoutError, ValueError, KeyError)


def arguments():
    def words(text):
        return text.replace(",", " ").split()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=words, default=[], help=f"of {' '.join(plan.SCENES)} {' '.join(events.EVENTS)}")
    parser.add_argument("--configs", type=words, default=[], help=f"of {' '.join(configs.CONFIGS)}")
    parser.add_argument("--workloads", type=words, default=[], help=f"of {' '.join(workloads.WORKLOADS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="length of a burst, at most")
    parser.add_argument("--log-mib", type=int, default=64)
    parser.add_argument("--kernel", default="6.1")
    options = parser.parse_args()
    unknown = set(options.only) - {*plan.SCENES, *events.EVENTS} | set(options.configs) - {*configs.CONFIGS} \
        | set(options.workloads) - {*workloads.WORKLOADS}
    if unknown:
        parser.error(f"unknown: {' '.join(sorted(unknown))}")
    return options


class Bench:
    def __init__(self, options):
        self.options = options
        self.failures = []
        self.results = Results({"commit": commit(), "kernel": options.kernel, "rounds": options.rounds,
                                "seconds": options.seconds, "log_mib": options.log_mib, "mtu": "1500 unless jumbo",
                                "load_at_start": os.getloadavg()[0], "date": time.strftime("%F %T")})

    @functools.cached_property
    def taps(self):
        return Taps()

    def lab(self, name, link):
        logs = paths.BUILD / "bench/logs" / name
        shutil.rmtree(logs, ignore_errors=True)
        return Lab(logs, kernel=self.options.kernel, payload=paths.BUILD / "bench/payload" / self.options.kernel,
                   taps=self.taps if links.LINKS[link].offload else None)

    def nodes(self, lab):
        return [lab.node(name, disks=devices.disks(self.options.log_mib), smp=1, mem_mib=MEM_MIB)
                for name in ("alpha", "beta")]

    def scene(self, name, scene):
        for round_number in range(self.options.rounds):
            todo = list(plan.order(scene.configs, round_number))
            while todo:         # after a failure in fresh guests
                with self.lab(name, scene.link) as lab:
                    nodes = self.nodes(lab)
                    lab.start()
                    links.apply(lab, scene.link)
                    self.configs(lab, nodes, name, scene, todo)

    def configs(self, lab, nodes, name, scene, todo):
        """Measures one configuration after the other, until all are done or one has failed."""
        while todo:
            config = todo.pop(0)
            try:
                for volumes, steps in plan.steps(scene).items():
                    self.one(lab, nodes, scene, config, volumes, steps)
            except FAULTS as fault:
                self.fail(f"{name}, {config}: {fault}")
                return

    def one(self, lab, nodes, scene, name, volumes, steps):
        below = [devices.up(node, scene.device, self.options.log_mib) for node in nodes][0]
        config = configs.CONFIGS[name](lab, *nodes)
        config.up(below, volumes)
        workloads.warm_up(config)
        for step in steps:
            key = name, scene.device, scene.link, step.workload, step.kind
            try:
                self.take(key, quiet.quietest(functools.partial(
                    workloads.measure, config, workloads.WORKLOADS[step.workload], step.kind, self.options)))
            except workloads.Short as short:
                self.fail(f"{' '.join(key)}: {short}")
        config.down()
        for node in nodes:
            devices.down(node, scene.device)
        lab.check_consoles()

    def fail(self, text):
        self.failures.append(text)
        print(f"FAILED: {text}", flush=True)

    def take(self, key, values):
        self.results.add(key, values)
        self.results.write()
        print(f"{time.strftime('%T')} {' '.join(key)}: " + ", ".join(
            f"{name} {value:g}" for name, value in values.items()), flush=True)

    def event(self, name):
        for _ in range(self.options.rounds):
            with self.lab(name, events.EVENTS[name].link) as lab:
                try:
                    for key, values in events.EVENTS[name].measure(lab, self.options):
                        self.take(key, values)
                except FAULTS as fault:
                    self.fail(f"{name}: {fault}")


def main():
    options = arguments()
    scenes = plan.chosen(options)
    wanted = [name for name in events.EVENTS if not options.only or name in options.only]
    print(plan.text(scenes, options) + (f"; then, some minutes each: {', '.join(wanted)}" if wanted else ""), flush=True)
    bench = Bench(options)
    for name, scene in scenes.items():
        bench.scene(name, scene)
    for name in wanted:
        bench.event(name)
    measurements = bench.results.measurements()
    print(report.table(measurements), report.chart(measurements), FILE,
          *bench.failures, sep="\n")
    sys.exit(1 if bench.failures else 0)


if __name__ == "__main__":
    main()
