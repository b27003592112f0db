"""start and stop: which devices come up and go down, in which order, and what is undone."""
import time

import pytest
from conftest import CONF, LOG_ID, LOOKS, PRIMARY


@pytest.fixture
def ready(box):
    box.conf()
    box.key()
    box.disks()
    box.log()
    box.status()
    return box


@pytest.fixture
def on_lvm(box):
    box.conf()
    box.key()
    box.uuids = [box.lv("log", mib=16), box.lv("data"), box.lv("wal")]
    box.set_lvs([dict(lv, tags=["lvr.group=db"]) for lv in box.lvs()])      # as create leaves them
    box.log()
    box.status()
    return box


def made(box):
    data, wal, log = (box.number(name) for name in ("data", "wal", "log"))
    return [
        "modprobe dm-lvr",
        f"make db LVR-{LOG_ID} lvr-log 8 {log} 4 group=db member=0 peer=1 connect=10.0.0.2:7794",
        "message db set-key 00112233445566778899aabbccddeeff secretly",
        f"make db-data LVR-{LOG_ID}-0 lvr 2048 241:0 0 {data}",
        f"make db-wal LVR-{LOG_ID}-1 lvr 2048 241:0 1 {wal}",
    ]


def test_start(ready):
    result = ready.run("start", "db")
    assert result.rc == 0 and "group db: secondary, standby" in result.err
    assert ready.done() == made(ready)
    below = [ready.number(name) for name in ("log", "data", "wal")]
    assert ready.looks() == [*below, "settle"], "they were there before they were marked"
    assert ready.marks() == {ready.number(name) for name in ("log", "data", "wal")}


def test_start_again(ready):
    ready.run("start", "db")
    ready.done()
    assert ready.run("start", "db").rc == 0
    assert ready.done() == []


def test_start_primary(ready):
    """Its volumes are there for udev, too, when the command ends."""
    ready.status(**PRIMARY)
    assert ready.run("start", "db").rc == 0
    assert ready.looks()[-3:] == LOOKS and ready.done() == made(ready)


def test_start_unconfirmed(ready):
    ready.status(role="primary", state="unconfirmed")
    result = ready.run("start", "db")
    assert result.rc == 0 and "promote db --force" in result.err
    assert ready.done() == made(ready)


def test_start_waits_for_recovery(ready, until):
    ready.status(state="recovering")
    with ready.start("start", "db") as command:
        for state in ("waiting", "replaying"):
            until(lambda: "make db-wal" in (ready.path / "fake/log").read_text())
            ready.status(state=state)
            assert command.poll() is None
        ready.status()
        said = command.communicate(timeout=10)[1]
        assert command.returncode == 0 and said.endswith("group db: secondary, standby\n")


def test_start_times_out(ready):
    """The group stays up: recovery goes on by itself."""
    ready.status(state="replaying")
    result = ready.run("start", "db", "--timeout", "0.1")
    assert result.rc == 8 and "now secondary, replaying" in result.err
    assert ready.done() == made(ready)


def test_start_log_failed(ready):
    ready.status(state="failed", reason="log_device_error")
    result = ready.run("start", "db")
    assert result.rc == 6 and "log_device_error" in result.err


@pytest.mark.parametrize("missing", (["db-wal"], ["db-data", "db-wal"]))
def test_start_rest(ready, missing):
    """A start that was cut short is completed; how short is not known, so the key is sent again."""
    ready.run("start", "db")
    for name in missing:
        ready.unfake(f"dev/{name}")
    ready.done()
    assert ready.run("start", "db").rc == 0
    assert sorted(ready.done()) == sorted(made(ready)[-len(missing):] + made(ready)[2:3])


def test_start_applies_other_settings(ready):
    ready.run("start", "db")
    ready.conf(CONF.replace("mode = async", "mode = sync"))
    ready.open("data")
    ready.done()
    result = ready.run("start", "db")
    assert result.rc == 0 and "has the settings of" in result.err
    reload, key = ready.done()
    assert reload == (f"reload db lvr-log 8 {ready.number('log')} 5 group=db member=0 peer=1 connect=10.0.0.2:7794 "
                      "mode=sync")
    assert key == made(ready)[2]
    assert ready.run("start", "db").rc == 0 and ready.done() == []


def test_start_applies_settings_and_the_key_is_refused(ready):
    """The settings are in force all the same, and nothing says otherwise."""
    ready.run("start", "db")
    ready.conf(CONF.replace("mode = async", "mode = sync"))
    ready.fake("refuse/set-key_00112233445566778899aabbccddeeff", "22")
    result = ready.run("start", "db")
    assert result.rc == 6 and "has the settings of" in result.err and "goes on" not in result.err
    assert "set-key refused" in result.err


def test_start_with_settings_that_cannot_be_applied(ready):
    ready.run("start", "db")
    ready.conf(CONF.replace("mode = async", "mode = async\nstage-mib = 8"))
    ready.fake("fail/reload_db", "22")
    ready.done()
    result = ready.run("start", "db")
    assert result.rc == 6 and "goes on with its settings" in result.err
    assert [line.split()[0] for line in ready.done()] == ["reload"]


def test_module_missing(ready):
    ready.fake("no-module")
    result = ready.run("start", "db")
    assert result.rc == 6 and "FATAL: Module dm-lvr not found" in result.err
    assert ready.done() == ["modprobe dm-lvr"] and ready.marks() == set()


@pytest.mark.parametrize("failing, undone", (
    ("fail/make_db", []),
    ("refuse/set-key_00112233445566778899aabbccddeeff", ["db"]),
    ("fail/make_db-data", ["db"]),
    ("fail/make_db-wal", ["db-data", "db"]),
))
def test_start_is_undone(on_lvm, failing, undone):
    on_lvm.fake(failing, "22")
    result = on_lvm.run("start", "db")
    assert result.rc == 6, result
    lines = on_lvm.done()
    assert [line for line in lines if line.startswith("remove")] == [f"remove {name}" for name in undone]
    assert lines[-1] == "lvm lvchange -an vg/log vg/data vg/wal"
    assert on_lvm.marks() == set() and not list((on_lvm.path / "fake/dev").iterdir())


def test_lvs_are_hidden_before_they_are_active(on_lvm):
    assert on_lvm.run("start", "db").rc == 0
    assert on_lvm.marks() == set(on_lvm.uuids)
    assert [line for line in on_lvm.done() if line.startswith("lvm")] == \
        ["lvm lvchange -ay -K vg/log vg/data vg/wal"]


@pytest.mark.parametrize("active", ([], ["wal"], ["log", "data"]))
def test_active_lvs_stay_active(on_lvm, active):
    """Of what the command found active nothing is deactivated when it fails."""
    lvs = on_lvm.lvs()
    for lv in lvs:
        if lv["name"][3:] in active:
            lv["active"] = True
            (on_lvm.path / "dev" / lv["name"][3:]).symlink_to(lv["disk"])
    on_lvm.set_lvs(lvs)
    on_lvm.fake("fail/make_db-wal")
    assert on_lvm.run("start", "db").rc == 6
    assert on_lvm.lvs() == lvs and on_lvm.marks() == set()


def test_lv_does_not_activate(on_lvm):
    on_lvm.fake("fail/lvm_vg_wal")
    result = on_lvm.run("start", "db")
    assert result.rc == 6 and "lvm lvchange: Fails as told." in result.err
    assert on_lvm.marks() == set()
    assert [lv["active"] for lv in on_lvm.lvs()] == [False] * 3


def test_devices_that_come_late(ready, until):
    link = ready.path / "dev/wal"
    link.unlink()
    with ready.start("start", "db", "--device-timeout", "20") as command:
        until(lambda: (ready.path / "run/db.lock").exists())
        assert command.poll() is None
        link.symlink_to(ready.path / "disk/wal")
        assert command.wait(10) == 0
        assert command.communicate()[1] == "group db: secondary, standby\n"


def test_devices_that_do_not_come(ready):
    (ready.path / "dev/wal").unlink()
    result = ready.run("start", "db", "--device-timeout", "0.6")
    assert result.rc == 6 and len(result.err.splitlines()) == 1
    assert ready.done() == []


@pytest.mark.parametrize("name", ("log", "data", "wal"))
def test_start_in_use(ready, name):
    with open(ready.path / "disk" / name, "rb"):
        result = ready.run("start", "db")
    assert result.rc == 5 and f"dev/{name}: open in process" in result.err
    assert ready.done() == [] and ready.marks() == set()


def test_start_read_only(ready):
    ready.fake("read-only")
    result = ready.run("start", "db")
    assert result.rc == 6 and "dev/log: is read-only" in result.err
    assert ready.done() == []


def test_not_created(ready):
    ready.disk("log", link=False).write_bytes(bytes(16 << 20))
    result = ready.run("start", "db")
    assert result.rc == 4 and "not created on this node yet" in result.err


def test_log_damaged(ready):
    with open(ready.path / "disk/log", "r+b") as log:
        for slot in range(2):
            log.seek(slot * 32768 + 100)
            log.write(b"damage")
    result = ready.run("start", "db")
    assert result.rc == 6 and "superblock 1: superblock has crc" in result.err
    assert ready.done() == []


def test_volume_shrunk(ready):
    with open(ready.path / "disk/wal", "r+b") as disk:
        disk.truncate(512 * 2047)
    result = ready.run("start", "db")
    assert result.rc == 6 and "has 2047 sectors, volume wal needs 2048" in result.err
    assert ready.done() == []


@pytest.mark.parametrize("old, new, text", (
    ("id = 0\naddress", "id = 2\naddress", ":4: node alpha has id 2, the log says otherwise: there it is nobody"),
    ("[node beta]", "[node gamma]", ":8: node gamma has id 1, the log says otherwise: there it is beta"),
    ("id = 1\ndevice", "id = 2\ndevice", ":15: volume wal has id 2, in the log that is no volume"),
    ("[volume wal]", "[volume wall]", ":15: volume wall has id 1, in the log that is wal"),
    ("[volume wal]", "block-size = 4096\n[volume wal]", ":12: volume data: block-size 4096, the log says 512"),
    ("[volume wal]\nid = 1\ndevice = {dir}/dev/wal\n", "", "found 1 volumes, the log has 2"),
))
def test_conf_and_log_differ(ready, old, new, text):
    ready.conf(CONF.replace(old, new))
    result = ready.run("start", "db")
    assert result.rc == 2 and text in result.err, result
    assert ready.done() == []


def test_log_of_another_node(ready):
    result = ready.run("start", "db", node="beta")
    assert result.rc == 2 and "is the log of member 0, node beta is member 1" in result.err


def test_log_of_another_group(ready):
    ready.log("group=other")
    result = ready.run("start", "db")
    assert result.rc == 2 and "is the log of group other" in result.err


def test_name_is_taken(ready):
    ready.fake("dev/db-wal", "CRYPT-x\ncrypt\n8\n9\n0\nx")
    result = ready.run("start", "db")
    assert result.rc == 5 and "/dev/mapper/db-wal is there already" in result.err
    assert (ready.path / "fake/dev/db-wal").exists()
    assert not (ready.path / "fake/dev/db").exists()


def test_two_at_once(ready):
    """One makes the devices, the others find them."""
    commands = [ready.start("start", "db") for _ in range(4)]
    assert [command.wait(30) for command in commands] == [0] * 4
    for command in commands:
        command.communicate()
    assert sorted(ready.done()) == sorted(made(ready))


# ----------------------------------------------------------------------- stop


def test_stop(on_lvm):
    on_lvm.run("start", "db")
    on_lvm.done()
    result = on_lvm.run("stop", "db")
    assert result.rc == 0
    assert on_lvm.done() == ["remove db-data", "remove db-wal", "remove db",
                             "lvm lvchange -an vg/log vg/data vg/wal"]
    assert on_lvm.marks() == set(on_lvm.uuids), "still backing devices"


@pytest.mark.parametrize("fields, complete", (
    (dict(destaged=100, checkpoint=100), True),
    (dict(destaged=99, checkpoint=99), False),
    (dict(destaged=100, checkpoint=99), False),
    (dict(destaged=99, checkpoint=99, state="unconfirmed"), False),
    (dict(destaged=99, checkpoint=99, state="failed"), False),
    (dict(destaged=100, checkpoint=100, head=101), True),     # the last record is of no volume
    (dict(destaged=99, checkpoint=99, head=101), False),
    (dict(destaged=99, checkpoint=99, role="secondary", state="standby"), True),
))
def test_stop_says_what_the_volumes_lack(on_lvm, fields, complete):
    """A primary's volumes should be complete then; all is stopped in either case."""
    on_lvm.run("start", "db")
    on_lvm.done()
    on_lvm.status(**dict(PRIMARY, **fields))
    result = on_lvm.run("stop", "db")
    assert result.rc == (0 if complete else 6)
    assert ("before 99 for sure, the log goes up to 100: they are NOT complete" in result.err) == (not complete)
    assert "group db: stopped" in result.err
    assert on_lvm.done() == ["remove db-data", "remove db-wal", "remove db",
                             "lvm lvchange -an vg/log vg/data vg/wal"]


@pytest.mark.parametrize("role, complete", (("primary", False), ("secondary", True)))
@pytest.mark.parametrize("state", ("recovering", "failed"))
def test_stop_before_the_log_was_read_back(on_lvm, state, role, complete):
    """All positions are that of the tail then: they say nothing of what the volumes lack."""
    on_lvm.run("start", "db")
    on_lvm.done()
    on_lvm.status(role=role, state=state, incarnation=0, head=80, destaged=80, checkpoint=80)
    result = on_lvm.run("stop", "db")
    assert result.rc == (0 if complete else 6)
    assert ("the log was not read back: the devices below may lack what it holds" in result.err) == (not complete)
    assert "group db: stopped" in result.err


def test_stop_of_what_does_not_run_takes_no_other_volumes(on_lvm):
    """Before create and behind destroy the LVs are whose they were."""
    lvs = on_lvm.lvs()
    for lv in lvs:
        lv.update(active=True, tags=[])
    on_lvm.set_lvs(lvs)
    on_lvm.done()
    assert on_lvm.run("stop", "db").rc == 0
    assert on_lvm.done() == []


def test_stop_that_is_killed_leaves_nobody_behind(ready, until):
    """Who shows how far the drain is holds the lock of the group, too."""
    ready.run("start", "db")
    ready.fake("hold/db-data")
    with ready.start("stop", "db") as command:
        until(lambda: "remove db-data" in ready.done())
        command.kill()
        command.wait()
    ready.unfake("hold/db-data")
    began = time.monotonic()
    assert ready.run("stop", "db").rc == 0
    assert time.monotonic() - began < 5, "it waited for the lock"


def test_stop_again(on_lvm):
    on_lvm.run("start", "db")
    on_lvm.run("stop", "db")
    on_lvm.done()
    assert on_lvm.run("stop", "db").rc == 0
    assert on_lvm.done() == []


def test_stop_open(ready):
    ready.run("start", "db")
    ready.done()
    for name in ("data", "wal"):
        ready.open(name)
    result = ready.run("stop", "db")
    assert result.rc == 5 and "/dev/mapper/db-data: in use" in result.err and "db-wal" in result.err
    assert ready.done() == []


def test_stop_fails(ready):
    ready.run("start", "db")
    ready.fake("fail/remove_db-wal", "16")
    ready.done()
    assert ready.run("stop", "db").rc == 5
    assert ready.done() == ["remove db-data", "remove db-wal"]
    ready.unfake("fail/remove_db-wal")
    assert ready.run("stop", "db").rc == 0


def test_stop_without_conf(ready):
    ready.run("start", "db")
    (ready.path / "etc/db.conf").unlink()
    ready.done()
    result = ready.run("stop", "db")
    assert result.rc == 0 and "left as they are" in result.err
    assert ready.done() == ["remove db-data", "remove db-wal", "remove db"]


def test_stop_with_bad_conf(ready):
    ready.run("start", "db")
    ready.conf("[what]\n")
    assert ready.run("stop", "db").rc == 2
    assert not (ready.path / "fake/dev/db").exists()


def test_other_groups_are_left_alone(ready):
    ready.run("start", "db")
    ready.fake("dev/db2", "LVR-ffff000000000000\nlvr-log\n8\n7\n0\nx")
    ready.fake("dev/db2-data", "LVR-ffff000000000000-0\nlvr\n8\n8\n1\nx")
    assert ready.run("stop", "db").rc == 0
    assert (ready.path / "fake/dev/db2-data").exists()
