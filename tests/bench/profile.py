#!/usr/bin/python3
"""Where the instructions of a 4k random write go, function by function, on each guest. Called by
`make bench-profile`; counted as make bench-instructions does, by a plugin that counts each block
(tests/vm/plugin/profile.c) in place of all."""
import argparse
import bisect
import struct
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "vm"))

import configs  # noqa: E402
import devices  # noqa: E402
import instructions  # noqa: E402
from rig import Lab, paths  # noqa: E402

PLUGIN = paths.PLUGINS / "profile.so"
KERNEL_FROM = 1 << 63       # addresses below are those of programs
ENTRY = struct.Struct("=QQ")


class Profiled:
    """A node whose instructions are counted block by block; to be made before it starts."""

    def __init__(self, node, directory):
        self.node = node
        self._file = Path(directory) / f"{node.name}.blocks"
        node.qemu_words = ["-plugin", f"{PLUGIN},blocks={self._file}"]

    def count(self):
        """Instructions by address of a block."""
        found = Counter()
        with open(self._file, "rb") as file:
            while data := file.read(ENTRY.size << 16):
                if not any(data):
                    break
                for address, count in ENTRY.iter_unpack(data):
                    found[address] += count
        return found

    def functions(self):
        """Start addresses, in order, and names of the kernel's functions, those of modules included."""
        lines = (line.split() for line in self.node.run("cat /proc/kallsyms").out.splitlines())
        pairs = sorted((int(words[0], 16), words[2] + "".join(words[3:])) for words in lines if words[1] in "tTwW")
        return [address for address, _ in pairs], [name for _, name in pairs]


def by_function(blocks, starts, names):
    found = Counter()
    for address, count in blocks.items():
        at = bisect.bisect_right(starts, address) - 1
        found["(programs)" if address < KERNEL_FROM or at < 0 else names[at]] += count
    return found


def one_run(config, nodes, writes, depth, pause):
    before = [node.count() for node in nodes]
    config.primary.run(instructions.command(config, writes, depth, pause), timeout=900)
    return [node.count() - was for node, was in zip(nodes, before, strict=True)]


def per_write(config, nodes, depth, pause):
    """For each node a Counter of instructions per write, by function."""
    short, long = (one_run(config, nodes, writes, depth, pause)
                   for writes in (instructions.SHORT, instructions.LONG))
    found = []
    for node, less, more in zip(nodes, short, long, strict=True):
        more.subtract(less)
        functions = by_function(more, *node.functions())
        found.append(Counter({name: count / (instructions.LONG - instructions.SHORT)
                              for name, count in functions.items()}))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="6.1")
    parser.add_argument("--config", default="lvr-async", choices=configs.CONFIGS)
    parser.add_argument("--depth", type=int, default=1)
    parser.add_argument("--lines", type=int, default=60)
    options = parser.parse_args()
    payload = paths.BUILD / "bench/payload" / options.kernel
    with tempfile.TemporaryDirectory() as scratch, \
            Lab(paths.BUILD / "bench/logs/profile", kernel=options.kernel, payload=payload) as lab:
        nodes = [lab.node(name, disks=devices.disks(instructions.LOG_MIB), smp=1, mem_mib=instructions.MEM_MIB)
                 for name in ("alpha", "beta")]
        profiled = [Profiled(node, scratch) for node in nodes]
        lab.start()
        below = [devices.up(node, "plain", instructions.LOG_MIB) for node in nodes][0]
        config = configs.CONFIGS[options.config](lab, *nodes)
        config.up(below, 1)
        one_run(config, profiled, instructions.SHORT, options.depth, instructions.PAUSE_SECONDS)
        found = per_write(config, profiled, options.depth, instructions.PAUSE_SECONDS)
    for name, functions in zip(("primary", "secondary"), found, strict=True):
        print(f"{name}: {functions.total():.0f} instructions per write, queue depth {options.depth}")
        for function, count in functions.most_common(options.lines):
            print(f"{count:10.0f}  {function}")


if __name__ == "__main__":
    main()
