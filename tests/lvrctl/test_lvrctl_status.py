"""status, wait, events: one parser of the kernel's line, and what is made of it."""
import json
import re
import subprocess

import pytest
from conftest import CONF, PRIMARY, STATUS, TOP


def test_fields_of_the_tests_are_those_of_the_kernel():
    text = (TOP / "include/lvr/names.h").read_text()
    fields = re.findall(r"X\((\w+),", text[text.index("LVR_STATUS_FIELDS(X)"):].split("\n\n")[0])
    assert fields == list(STATUS)


# --------------------------------------------------------------------- status


def row(box, **fields):
    box.loaded(**fields)
    result = box.run("status", "db")
    assert result.rc == 0 and not result.err, result
    heading, line = result.out.splitlines()
    assert heading.split() == "GROUP ROLE STATE PEER LINK MODE LAG LOG NOTE".split()
    return re.sub(" +", " ", line).strip()


def test_table(box):
    """Lag and being in sync are for the primary to tell."""
    assert row(box) == "db secondary standby beta streaming async - 6.2 %"
    assert row(box, mode="sync") == "db secondary standby beta streaming sync - 6.2 %"
    assert row(box, **PRIMARY) == "db primary active beta streaming async 0 6.2 %"


def test_table_of_a_lagging_primary(box):
    assert row(box, mode="sync", in_sync=0, lag_records=20, lag_bytes=3 << 20, lag_ms=1500, **PRIMARY) == \
        "db primary active beta streaming sync, not in sync 3.0 MiB, 20 records, 1.5 s 6.2 %"


def test_table_in_sync(box):
    assert " sync, in sync " in row(box, mode="sync", in_sync=1, **PRIMARY)


def test_table_without_a_peer(box):
    line = row(box, peer="-", link="waiting", lag_records="-", lag_bytes="-", lag_ms="-", seen_ms="-")
    assert line == "db secondary standby - waiting async - 6.2 %"


@pytest.mark.parametrize("fields, text", (
    (dict(consistent=0), "INCONSISTENT"),
    (dict(link="refused", link_reason="both-primary,volume-size"),
     "SPLIT BRAIN; both-primary,volume-size; both nodes are active as primary; `lvrctl demote' one and "
     "`connect --discard' it; a volume has different sizes"),
    (dict(link="refused", link_reason="orphans:_some_words"), "`lvrctl connect --discard' there gives them up"),
    (dict(volumes="1/2"), "1/2 of its volumes are there"),
    (dict(link="refused", link_reason="wrong_key"), "wrong key"),
    (dict(state="failed", reason="log_device:_I/O_error"), "log device: I/O error"),
    (dict(orphan_first=40, orphan_records=3, orphan_bytes=1024), "orphaned: 3 records, 40..42, 1.0 KiB"),
    (dict(orphan_records=3, orphan_bytes=1024), "orphaned: 3 records, 1.0 KiB"),
    (dict(PRIMARY, reason="writers_wait_for_peer_beta"), "writers wait for peer beta"),
    (dict(deferred=5), "5 I/Os wait"),
    (dict(deferred=5, role="primary", state="active", ring_bytes=16 << 20, used_bytes=15 << 20, tail=3,
          checkpoint=90), "5 I/Os wait: the log is full of what beta lacks"),
    (dict(errors=2), "2 I/O errors"),
    (dict(link="syncing", sync_done_sect=500, sync_total_sect=2000), "synchronising 25 %"),
    (dict(state="replaying", destaged=40), "replaying, 60 records to go"),
    (dict(link="catching-up", direction="source", lag_bytes=2048), "catching up, 2.0 KiB to go"),
    (dict(link="catching-up", direction="target", peer_head=130), "catching up, 30 records to go"),
))
def test_notes(box, fields, text):
    assert row(box, **fields).endswith(text)


SYNC = "240:1 4 group=db member=0 peer=1 mode=sync"
SYNC_BLOCK = "240:1 5 group=db member=0 peer=1 mode=sync on-disconnect=block"


@pytest.mark.parametrize("params, fields, note", (
    (SYNC_BLOCK, dict(PRIMARY, link="waiting", alone=1), "acknowledges without beta"),
    (SYNC_BLOCK, dict(PRIMARY, link="catching-up", lag_bytes=0, alone=1), "acknowledges without beta"),
    (SYNC_BLOCK, dict(PRIMARY, in_sync=1, alone=1), ""),
    (SYNC_BLOCK, dict(PRIMARY, link="waiting", alone=0), ""),
    (SYNC_BLOCK, dict(link="waiting", alone=1), "beta may acknowledge without this node"),
    (SYNC_BLOCK, dict(link="waiting", alone=0), ""),
    (SYNC, dict(PRIMARY, link="waiting", alone=1), ""),
))
def test_note_of_going_on_alone(box, params, fields, note):
    """Only where the settings promise otherwise."""
    box.loaded(params, mode="sync", **fields)
    out = box.run("status", "db").out
    assert ("acknowledge" in out) == bool(note) and note in out


def test_devices_below(box):
    box.loaded()
    assert "device below" not in box.run("status", "db").out
    box.origin("data", "failing")
    box.origin("wal", "lost-writes")
    out = box.run("status", "db").out
    assert "volume data: device below failing; volume wal: device below lost-writes" in out
    volumes = box.run("status", "db", "--json").json()["groups"][0]["volumes"]
    assert [(volume["name"], volume["origin"]) for volume in volumes] == [
        ("data", "failing"), ("wal", "lost-writes")]
    box.unfake("status/db-wal")
    assert "volume wal: device below unknown" in box.run("status", "db").out
    assert box.run("status", "db", "--json").json()["groups"][0]["volumes"][1]["origin"] is None


def test_all_groups(box):
    """Running, only configured, and running without a configuration."""
    box.loaded()
    box.conf(group="another")
    box.conf(CONF)
    lines = box.run("status").out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["another", "-", "stopped"], ["db", "secondary", "standby"]]
    (box.path / "etc/db.conf").unlink()
    assert len(box.run("status").out.splitlines()) == 3


def test_no_group_at_all(box):
    result = box.run("status")
    assert result.rc == 0 and result.out == "" and "no group" in result.err
    assert box.run("status", "--json").json() == {"version": 2, "groups": []}


def test_json(box):
    box.loaded(direction="source", sync_total_sect="-", **{k: v for k, v in PRIMARY.items() if k != "direction"})
    box.open("data")
    answer = box.run("status", "--json").json()
    assert answer["version"] == 2
    group, = answer["groups"]
    for key, value in group.items():
        if key in STATUS and key not in ("volumes", "peer", "group"):
            kernel = dict(STATUS, **PRIMARY)[key]
            if key in ("consistent", "in_sync", "alone"):
                assert value is bool(kernel), key
            else:
                assert value == (None if kernel == "-" else kernel), key
    assert set(STATUS) <= set(group)
    assert group["started"] is True and group["peer"] == "beta" and group["peer_id"] == 1
    assert group["split_brain"] is False and group["work"] is None
    assert group["volumes"] == [
        dict(name="data", device="/dev/mapper/db-data", id=0, open_count=1, origin="ok"),
        dict(name="wal", device="/dev/mapper/db-wal", id=1, open_count=0, origin="ok")]


def test_json_of_a_stopped_group(box):
    box.conf()
    assert box.run("status", "db", "--json").json()["groups"] == [
        dict(group="db", started=False, state="stopped", volumes=[])]


def test_json_has_the_largest_numbers(box):
    box.loaded(head=2 ** 64 - 1)
    assert box.run("status", "--json").json()["groups"][0]["head"] == 2 ** 64 - 1


def test_unknown_fields_are_passed_over(box):
    """A newer kernel."""
    box.loaded()
    box.fake("status/db", (box.path / "fake/status/db").read_text().strip() + " warp=9")
    assert box.run("status", "db").rc == 0


def test_missing_fields_are_none(box):
    """An older kernel."""
    box.loaded()
    box.fake("status/db", "role=secondary state=standby")
    group, = box.run("status", "--json").json()["groups"]
    assert group["head"] is None and group["link"] is None


@pytest.mark.parametrize("line, text", (
    ("role=secondary state=standby head=ten", 'head: found "ten", expected a number'),
    ("role=secondary state=standby head=-1", "expected a number"),
    ("role=secondary state=standby in_sync=2", 'in_sync: found "2", expected 0 or 1'),
    ("role=secondary state=standby nonsense", 'found "nonsense", expected key=value'),
    ("role=secondary role=primary state=standby", "role is there twice"),
    ("head=1", "no role or no state"),
    ("", "no role or no state"),
))
def test_bad_line(box, line, text):
    box.loaded()
    box.fake("status/db", line)
    for args in (["status", "db"], ["wait", "db", "--in-sync"], ["events", "--timeout", "0"]):
        result = box.run(*args)
        assert result.rc == 6 and text in result.err, result


@pytest.mark.parametrize("rc, fields", (
    (0, {}),
    (0, dict(link="idle")),
    (0, dict(PRIMARY, link="catching-up")),
    (4, dict(consistent=0)),
    (4, dict(state="unconfirmed", role="primary")),
    (4, dict(state="failed")),
    (4, dict(link="refused", link_reason="orphans")),
    (4, dict(volumes="1/2")),
    (4, dict(PRIMARY, volumes="10/11")),
    (7, dict(link="waiting")),
    (7, dict(link="standalone")),
    (7, dict(PRIMARY, link="handshaking")),
    (4, dict(link="refused", link_reason="volume-size:_not_diverged,diverged")),
    (7, dict(link="waiting", link_reason="diverged")),
    (9, dict(link="refused", link_reason="diverged")),
    (9, dict(link="refused", link_reason="diverged:_both_nodes_hold_writes")),
    (9, dict(PRIMARY, link="refused", link_reason="volume-size,both-primary")),
))
def test_check(box, rc, fields):
    box.loaded(**fields)
    assert box.run("status", "db", "--check").rc == rc
    assert box.run("status", "--check", "--json").rc == rc


@pytest.mark.parametrize("origin, rc", (("ok", 0), ("failing", 6), ("lost-writes", 6), ("unheard-of", 6)))
@pytest.mark.parametrize("volume", ("data", "wal"))
def test_check_of_the_devices_below(box, volume, origin, rc):
    box.loaded()
    box.origin(volume, origin)
    assert box.run("status", "db", "--check").rc == rc
    box.status(link="waiting")
    assert box.run("status", "db", "--check").rc == (rc or 7)
    box.status(consistent=0)
    assert box.run("status", "db", "--check").rc == 4


def test_check_without_a_group(box):
    """As in another directory than was meant."""
    assert box.run("status", "--check").rc == 3
    assert box.run("status").rc == 0


def test_check_tells_the_worst(box):
    box.loaded(link="waiting")
    box.conf(group="stopped")
    assert box.run("status", "--check").rc == 4


def test_watch(box, until):
    """Rate and time left come from one sample to the next."""
    box.loaded(link="syncing", sync_done_sect=0, sync_total_sect=204800)
    with box.start("status", "--watch", "--json") as command:
        works = []
        for step in range(1, 200):
            works.append(json.loads(command.stdout.readline())["groups"][0]["work"])
            if works[-1]["per_s"]:
                break
            box.status(link="syncing", sync_done_sect=step * 20, sync_total_sect=204800)
        command.terminate()
        command.communicate()
    assert works[0] == dict(name="synchronising", unit="bytes", remaining=204800 * 512, total=204800 * 512,
                            per_s=None, left_ms=None)
    assert works[-1]["per_s"] > 0
    assert works[-1]["left_ms"] == pytest.approx(1000 * works[-1]["remaining"] / works[-1]["per_s"], rel=0.01)


def test_watch_ends_with_its_reader(box):
    box.loaded()
    done = subprocess.run(["sh", "-c", '"$@" | head -n 2', "sh"] + box.argv("status", "--watch"), cwd=box.path,
                          env=box.env, timeout=20, capture_output=True, check=False)
    assert done.stdout.startswith(b"GROUP")


# ----------------------------------------------------------------------- wait


@pytest.mark.parametrize("args, before, after", (
    (["--state", "active"], {}, PRIMARY),
    (["--role", "primary"], {}, PRIMARY),
    (["--link", "streaming"], dict(link="waiting"), {}),
    (["--in-sync"], {}, dict(in_sync=1)),
    (["--consistent"], dict(consistent=0), {}),
    (["--acked"], dict(acked=99), {}),
    (["--acked"], dict(acked="-"), {}),
    (["--applied"], dict(applied=99), {}),
    (["--destaged"], dict(destaged=99), {}),
    (["--role", "primary", "--in-sync"], dict(in_sync=1), dict(PRIMARY, in_sync=1)),
))
def test_wait(box, args, before, after):
    box.loaded(**before)
    result = box.run("wait", "db", *args, "--timeout", "0.1")
    assert result.rc == 8 and "not reached in time" in result.err
    with box.start("wait", "db", *args, "--timeout", "20") as command:
        box.status(**after)
        assert command.wait(10) == 0
    assert box.run("wait", "db", *args).rc == 0


def test_wait_says_why_the_link_is_refused(box):
    """Nobody but the operator ends that; once each reason."""
    box.loaded(link="refused", link_reason="volume-size")
    with box.start("wait", "db", "--link", "streaming", "--timeout", "20") as command:
        assert "the link is refused: volume-size" in command.stderr.readline()
        box.status(link="refused", link_reason="unrelated")
        assert "the link is refused: unrelated" in command.stderr.readline()
        box.status()
        assert command.wait(10) == 0 and command.stderr.read() == ""


def test_wait_for_a_group_that_fails(box):
    box.loaded(**PRIMARY)
    with box.start("wait", "db", "--in-sync") as command:
        box.status(state="failed", reason="log_device_error")
        assert command.wait(10) == 6 and "log_device_error" in command.stderr.read()
    assert box.run("wait", "db", "--state", "failed").rc == 0


def test_wait_for_a_group_that_stops(box):
    box.conf()
    box.loaded()
    with box.start("wait", "db", "--in-sync") as command:
        box.unfake("dev/db")
        assert command.wait(10) == 4


# --------------------------------------------------------------------- events


def test_events(box, until):
    box.loaded()
    with box.start("events") as command:
        first = [command.stdout.readline() for _ in range(5)]
        box.status(**PRIMARY)
        change = [command.stdout.readline() for _ in range(2)]
        box.unfake("dev/db")
        gone = [command.stdout.readline() for _ in range(5)]
        command.terminate()
        assert command.communicate()[0] == ""
    for line in first + change + gone:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z db \w+ \S+ -> \S+$", line), line
    assert [line.split(" ", 2)[2].strip() for line in first] == [
        "role - -> secondary", "state - -> standby", "link - -> streaming", "in_sync - -> 0", "consistent - -> 1"]
    assert [line.split(" ", 2)[2].strip() for line in change] == [
        "role secondary -> primary", "state standby -> active"]
    assert gone[0].strip().endswith("role primary -> -")


def test_events_json(box):
    box.loaded()
    result = box.run("events", "db", "--json", "--timeout", "0")
    assert result.rc == 0
    events = [json.loads(line) for line in result.out.splitlines()]
    assert [event["field"] for event in events] == ["role", "state", "link", "in_sync", "consistent"]
    assert all(event["version"] == 2 and event["group"] == "db" and event["from"] is None for event in events)


def test_events_of_one_group(box):
    box.loaded()
    box.conf(group="other")
    result = box.run("events", "other", "--timeout", "0")
    assert result.rc == 0 and result.out == ""


def test_events_of_no_group(box):
    box.loaded()
    result = box.run("events", "bd", "--timeout", "0")
    assert result.rc == 3 and "no group bd" in result.err and result.out == ""


def test_events_without_a_configuration(box):
    """It runs: that is enough."""
    box.loaded()
    assert "role - -> secondary" in box.run("events", "db", "--timeout", "0").out
