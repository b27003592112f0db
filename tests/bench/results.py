"""build/bench/results.json: one object per measurement, which is the median of its rounds, with the run it is of.

A run replaces what it measures and leaves the rest, so a bench can be made in parts. What is compared must be
of one run (targets.py)."""
import json
import statistics
import subprocess
from pathlib import Path

from rig import paths

FILE = paths.BUILD / "bench/results.json"
KEY = ("config", "device", "link", "workload", "kind")


class Results:
    """Takes single measurements in, and is a file from the first one on.

    run: a dict that tells what makes this run different from others."""

    def __init__(self, run, path=FILE):
        self._run = run
        self._path = Path(path)
        self._rounds = {}           # key -> list of dicts
        self._earlier = read(path) if self._path.exists() else []

    def add(self, key, values):
        self._rounds.setdefault(key, []).append(values)

    def measurements(self):
        """Of this run, and of earlier ones what it has not measured."""
        kept = [one for one in self._earlier if tuple(one[name] for name in KEY) not in self._rounds]
        return kept + [{**dict(zip(KEY, key, strict=True)), **medians(rounds), "rounds": rounds, "run": self._run}
                       for key, rounds in self._rounds.items()]

    def write(self):
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".new")
        partial.write_text(json.dumps({"measurements": self.measurements()}, indent=1) + "\n")
        partial.replace(self._path)


def medians(rounds):
    """Of each figure by itself; processor time per MB is derived, as it grows with the amount."""
    found = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    if found.get("mb"):
        for name in ("cpu", "peer_cpu"):
            found[f"{name}_ms_per_mb"] = round(statistics.median(
                1000 * one[f"{name}_s"] / one["mb"] for one in rounds), 3)
    return found


def read(path=FILE):
    return json.loads(Path(path).read_text())["measurements"]


def commit():
    """The commit that is measured, with a + if something is changed."""
    return subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=paths.TOP, text=True,
                          stdout=subprocess.PIPE, check=False).stdout.strip()
