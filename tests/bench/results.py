"""build/bench/results.json: about the run, and one object per measurement, which is the median of its rounds."""
import json
import statistics
import subprocess
from pathlib import Path

from rig import paths

FILE = paths.BUILD / "bench/results.json"
KEY = ("config", "device", "link", "workload", "kind")


class Results:
    """Takes single measurements in, and is a file from the first one on."""

    def __init__(self, run, path=FILE):
        self._run = run
        self._path = Path(path)
        self._rounds = {}           # key -> list of dicts

    def add(self, key, values):
        self._rounds.setdefault(key, []).append(values)

    def measurements(self):
        return [{**dict(zip(KEY, key, strict=True)), **medians(rounds), "rounds": rounds}
                for key, rounds in self._rounds.items()]

    def write(self):
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".new")
        partial.write_text(json.dumps({"run": self._run, "measurements": self.measurements()}, indent=1) + "\n")
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
    return json.loads(Path(path).read_text())


def commit():
    """The commit that is measured, with a + if something is changed."""
    return subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=paths.TOP, text=True,
                          stdout=subprocess.PIPE, check=False).stdout.strip()
