#!/usr/bin/python3
"""Prints each ratio that LVR is to reach beside its target, from the last results. The exit code is 1
if one was missed or not measured."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "vm"))

import instructions  # noqa: E402
import results  # noqa: E402
import targets  # noqa: E402


def line(target, value, verdict):
    sign = ">=" if target.least else "<="
    goal = f"{sign} {target.first:g}" + (f", then {target.then:g}" if target.then else "")
    return f"{target.name:58} {'-' if value is None else f'{value:.2f}':>7}  {goal:18} {verdict}"


def main():
    files = [path for path in (results.FILE, instructions.FILE) if path.exists()]
    if not files:
        sys.exit("there are no results: run make bench and make bench-instructions")
    verdicts = targets.judge([one for path in files for one in results.read(path)])
    runs = []
    for *_, run in verdicts:
        if run and run not in runs:
            runs.append(run)
    for run in (*runs, None):
        if run:
            print("\n" + ", ".join(f"{name} {value}" for name, value in run.items()))
        print("\n".join(line(*verdict) for *verdict, its_run in verdicts if its_run == run))
    bad = sum(verdict != "met" for _, _, verdict, _ in verdicts)
    print(f"{len(verdicts) - bad} of {len(verdicts)} met")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
