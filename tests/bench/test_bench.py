"""What make bench computes, without guests."""
from types import SimpleNamespace

import check
import plan
import pytest
import quiet
import report
import results
import targets
import workloads
from rig import taps

OPTIONS = SimpleNamespace(only=[], configs=[], workloads=[], rounds=3, seconds=5, log_mib=64)


def measurement(key, **figures):
    return {**dict(zip(results.KEY, key, strict=True)), **figures, "run": {}}


def everything(**changes):
    """Each figure that a target may ask for, the same for all configurations."""
    figures = {"iops": 100, "mb_per_s": 10, "lat_p50_us": 5000, "cpu_ms_per_mb": 2} | changes
    found = [measurement((config, scene.device, scene.link, step.workload, step.kind), **figures)
             for scene in plan.SCENES.values() for config in scene.configs
             for some in plan.steps(scene).values() for step in some]
    found += [measurement((config, "plain", "packets", "instructions-qd1", "event"), primary=1000)
              for config in ("lvr-async", "drbd-a")]
    found += [measurement((config, "plain", "wan10", name, "event"), mb_per_s=10)
              for config, name in (("lvr-async", "catch-up"), ("iperf3", "stream"))]
    return found


def test_the_plan_measures_all_that_targets_need():
    assert [verdict for _, value, verdict, _ in targets.judge(everything()) if value is None] == []


def test_equal_figures_are_the_ratio_one():
    values = {target.name: value for target, value, *_ in targets.judge(everything())}
    wan = values.pop("WAN sync latency / (RTT + one log write)")
    assert set(values.values()) == {1} and wan == pytest.approx(1 / 3)


@pytest.mark.parametrize("least, met, missed", [(True, 0.8, 0.79), (False, 0.8, 0.81)])
def test_a_target_is_met_at_its_bound_and_missed_beyond(least, met, missed):
    target = targets.Target("t", None, 0.8, least=least)
    assert target.met(met) and not target.met(missed)


@pytest.mark.parametrize("field, other", [("config", "x"), ("device", "ssd"), ("link", "wan10"), ("kind", "steady"),
                                          ("workload", "x")])
def test_a_figure_of_something_else_is_none(field, other):
    key = measurement(("raw", "plain", "plain", "seq1m", "burst"))
    assert targets.Figures([{**key, "iops": 7}]).get("iops", "raw", "seq1m") == 7
    with pytest.raises(targets.Missing):
        targets.Figures([{**key, field: other, "iops": 7}]).get("iops", "raw", "seq1m")


def test_a_configuration_that_did_nothing_is_not_measured():
    verdicts = targets.judge(everything(iops=0))
    assert sum("NOT MEASURED" in verdict for _, _, verdict, _ in verdicts) > 10


def run_check(monkeypatch, tmp_path, measurements):
    written = results.Results({"commit": "c"}, tmp_path / "results.json")
    for one in measurements:
        written.add(tuple(one[name] for name in results.KEY),
                    {name: value for name, value in one.items() if name not in (*results.KEY, "run")})
    written.write()
    monkeypatch.setattr(check.results, "FILE", tmp_path / "results.json")
    monkeypatch.setattr(check.instructions, "FILE", tmp_path / "none.json")
    with pytest.raises(SystemExit) as ended:
        check.main()
    return ended.value.code


def test_check_fails_for_what_is_missed(monkeypatch, tmp_path, capsys):
    assert run_check(monkeypatch, tmp_path, everything()) == 1
    assert "MISSED" in capsys.readouterr().out


def test_check_fails_for_what_is_not_measured(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(targets, "TARGETS", targets.TARGETS[:1])
    assert run_check(monkeypatch, tmp_path, []) == 1
    assert "NOT MEASURED" in capsys.readouterr().out


def test_check_succeeds_when_all_is_met(monkeypatch, tmp_path):
    monkeypatch.setattr(targets, "TARGETS", targets.TARGETS[:1])
    assert run_check(monkeypatch, tmp_path, everything()) == 0


def test_figures_are_medians_and_the_rounds_are_kept(tmp_path):
    path = tmp_path / "r.json"
    written = results.Results({}, path)
    for iops, cpu in ((5, 1), (100, 3), (7, 2)):
        written.add(("raw", "plain", "plain", "seq1m", "burst"),
                    {"iops": iops, "mb": 10, "cpu_s": cpu, "peer_cpu_s": 0})
    written.write()
    (one,) = results.read(path)
    assert (one["iops"], one["cpu_ms_per_mb"], len(one["rounds"])) == (7, 200, 3)


def test_a_run_replaces_what_it_measures_and_leaves_the_rest(tmp_path):
    path = tmp_path / "r.json"
    for commit, configs in (("old", ("raw", "linear")), ("new", ("raw",))):
        written = results.Results({"commit": commit}, path)
        for config in configs:
            written.add((config, "plain", "plain", "seq1m", "burst"), {"iops": 1})
        written.write()
    assert {one["config"]: one["run"]["commit"] for one in results.read(path)} == {"linear": "old", "raw": "new"}


def test_figures_of_two_runs_make_no_ratio(monkeypatch):
    monkeypatch.setattr(targets, "TARGETS", targets.TARGETS[:1])
    mixed = everything()
    next(one for one in mixed if one["config"] == "raw" and one["workload"] == "rand4k-qd1")["run"] = {"commit": "other"}
    ((_, value, verdict, run),) = targets.judge(mixed)
    assert value is None and "another run" in verdict and run is None


def test_every_round_has_all_configurations_and_another_first():
    orders = [plan.order(plan.ALL, number) for number in range(len(plan.ALL))]
    assert all(sorted(order) == sorted(plan.ALL) for order in orders)
    assert [order[0] for order in orders] == list(plan.ALL)


def test_options_choose():
    options = SimpleNamespace(**vars(OPTIONS) | {"only": ["ssd"], "configs": ["raw"], "workloads": ["fdatasync"]})
    (scene,) = plan.chosen(options).values()
    assert (scene.device, scene.configs, scene.workloads) == ("ssd", ("raw",), ("fdatasync",))


def test_a_burst_fits_the_log_and_steady_is_three_of_it():
    assert workloads.amount_mib("burst", 64) == 12 and workloads.amount_mib("steady", 64) == 192


def test_columns_stay_apart():
    one = {"config": "lvr-async", "device": "plain", "link": "plain", "workload": "fdatasync-4jobs", "kind": "burst",
           "iops": 204.35000000000002}
    assert report.table([one]).splitlines()[-1].split() == ["lvr-async", "fdatasync-4jobs", "burst", "204.35"] + ["-"] * 6


def test_taps_are_made_once_for_each_link(monkeypatch):
    done = []
    monkeypatch.setattr(taps, "_ip", lambda *words: done.append(" ".join(words)) or "")
    wires, one, two = taps.Taps(), SimpleNamespace(number=1), SimpleNamespace(number=2)
    for _ in range(2):      # of one lab after the other
        ends = [wires.netdev(one, two), wires.netdev(two, one)]
        assert [end.split(",")[1] for end in ends] == ["ifname=lvr1-2", "ifname=lvr2-1"]
    assert sum(words.startswith("tuntap add") for words in done) == 2
    assert sum("master lvr1-2-br" in words for words in done) == 2


def test_taps_are_not_made_among_the_interfaces_of_the_machine(monkeypatch):
    monkeypatch.setattr(taps, "_ip", lambda *_: "2: eth0: <BROADCAST,UP>\n")
    with pytest.raises(RuntimeError, match="unshare --net"):
        taps.Taps()


@pytest.mark.parametrize("stolen, takes, chosen", [((0,), 1, 0), ((2,), 1, 0), ((30, 1), 2, 1), ((30, 9, 20, 0), 3, 1)])
def test_what_was_disturbed_is_measured_again(monkeypatch, stolen, takes, chosen):
    """The least disturbed take counts, and says how much was stolen from it."""
    ticks = iter([number for one in stolen for number in ((0, 0), (100 - one, one))])
    monkeypatch.setattr(quiet, "_counted", lambda: next(ticks))
    made = []
    found = quiet.quietest(lambda: made.append(0) or {"number": len(made) - 1})
    assert found == {"number": chosen, "stolen_pct": stolen[chosen]} and len(made) == takes
