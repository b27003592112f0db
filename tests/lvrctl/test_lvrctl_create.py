"""create and destroy: what they refuse, what they leave behind."""
import subprocess

import pytest
from conftest import LOG_ID


@pytest.fixture
def ready(box):
    box.conf()
    box.key()
    box.disks()
    return box


@pytest.fixture
def on_lvm(box):
    """As ready, on LVs: the log is inactive, the volumes are active."""
    box.conf()
    box.key()
    box.uuids = {"log": box.lv("log", mib=16), "data": box.lv("data", active=True),
                 "wal": box.lv("wal", active=True)}
    return box


def dump(box):
    return box.run("log", "dump", box.path / "disk/log", "--json").json()["super"]


def mkfs(box, name):
    subprocess.run(["mkfs.ext4", "-qF", box.path / "disk" / name], check=True)


def test_source(ready):
    result = ready.run("create", "db", "--source")
    assert result.rc == 0 and "node alpha is the source" in result.err
    sb = dump(ready)
    assert sb["group"] == "db" and sb["flags"] == ["clean"] and sb["self"] == 0
    assert int(sb["log_id"], 16) and sb["group_uuid"].strip("0-")
    assert [member["name"] for member in sb["members"]] == ["alpha", "beta"]
    assert [(volume["id"], volume["name"], volume["size_sect"]) for volume in sb["volumes"]] == \
        [(0, "data", 2048), (1, "wal", 2048)]


def test_target(ready):
    assert ready.run("create", "db", "--target", node="beta").rc == 0
    sb = dump(ready)
    assert set(sb["flags"]) == {"clean", "blank", "inconsistent"} and sb["self"] == 1
    assert not sb["group_uuid"].strip("0-")


def test_ids_are_random(ready):
    ready.run("create", "db", "--source")
    first = dump(ready)
    ready.run("create", "db", "--source", "--force")
    second = dump(ready)
    assert first["log_id"] != second["log_id"] and first["group_uuid"] != second["group_uuid"]


def test_4k_blocks(ready):
    ready.fake("block-bytes", 4096)
    assert ready.run("create", "db", "--source").rc == 0
    sb = dump(ready)
    assert sb["block_bytes"] == 4096 and sb["volumes"][0]["block_bytes"] == 4096


@pytest.mark.parametrize("physical,log", [(512, 512), (3072, 2048), (4096, 4096), (16384, 4096)])
def test_blocks_of_the_log_are_physical_ones(ready, physical, log):
    """As far as they go; those of the volumes are what their users see."""
    ready.fake("physical-block-bytes", physical)
    assert ready.run("create", "db", "--source").rc == 0
    sb = dump(ready)
    assert sb["block_bytes"] == log and sb["volumes"][0]["block_bytes"] == 512


def test_log_carries_a_log(ready):
    ready.run("create", "db", "--source")
    before = (ready.path / "disk/log").read_bytes()
    result = ready.run("create", "db", "--source")
    assert result.rc == 4 and "carries the log of group db" in result.err
    assert (ready.path / "disk/log").read_bytes() == before


def test_log_carries_a_damaged_log(ready):
    ready.run("create", "db", "--source")
    with open(ready.path / "disk/log", "r+b") as log:
        log.seek(32768 + 100)
        log.write(b"damage")
    result = ready.run("create", "db", "--source")
    assert result.rc == 4 and "damaged" in result.err


def test_log_carries_a_file_system(ready):
    mkfs(ready, "log")
    result = ready.run("create", "db", "--source")
    assert result.rc == 4 and "carries ext4" in result.err and ready.marks() == set()
    assert ready.run("create", "db", "--source", "--force").rc == 0
    assert not subprocess.run(["blkid", "-p", ready.path / "disk/log"], check=False,
                              capture_output=True).stdout


# where they begin on a device, and how
KNOWN = {
    "dos": (446, bytes([0, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0]) + bytes(48) + b"\x55\xaa"),
    "LVM2_member": (512, b"LABELONE" + bytes([1]) + bytes(15) + b"LVM2 001"),
    "crypto_LUKS": (0, b"LUKS\xba\xbe\0\1"),
    "swap": (1024, bytes([1, 0, 0, 0, 9, 0, 0, 0]) + bytes(3054) + b"SWAPSPACE2"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_anything_known_is_refused(ready, name):
    at, content = KNOWN[name]
    for device, side in (("log", "--source"), ("data", "--target")):
        ready.disk(device, mib=16, link=False)
        with open(ready.path / "disk" / device, "r+b") as disk:
            disk.seek(at)
            disk.write(content)
        result = ready.run("create", "db", side)
        assert result.rc == 4 and f"dev/{device}: carries {name}" in result.err, result
        with open(ready.path / "disk" / device, "r+b") as disk:
            disk.seek(at)
            assert disk.read(len(content)) == content
            disk.seek(at)
            disk.write(bytes(len(content)))


def test_what_cannot_be_looked_at_is_refused(ready):
    ready.fake("fail/blkid")
    result = ready.run("create", "db", "--target")
    assert result.rc == 4 and "dev/log: carries something that cannot be looked at" in result.err
    result = ready.run("create", "db", "--target", "--force")
    assert result.rc == 6 and "the signatures on it cannot be removed" in result.err
    assert ready.run("log", "check", ready.path / "disk/log").rc == 6


def test_target_carries_data(ready):
    mkfs(ready, "wal")
    result = ready.run("create", "db", "--target")
    assert result.rc == 4 and "wal: carries ext4, which the initial synchronisation" in result.err
    assert ready.run("log", "check", ready.path / "disk/log").rc == 6
    assert ready.run("create", "db", "--target", "--force").rc == 0


def test_source_carries_data(ready):
    mkfs(ready, "data")
    before = (ready.path / "disk/data").read_bytes()
    assert ready.run("create", "db", "--source").rc == 0
    assert (ready.path / "disk/data").read_bytes() == before


def test_log_too_small(ready):
    ready.disk("log", link=False).write_bytes(b"")
    ready.disk("log", mib=2, link=False)
    result = ready.run("create", "db", "--source")
    assert result.rc == 6 and "too small" in result.err


def test_device_missing(ready):
    (ready.path / "dev/wal").unlink()
    result = ready.run("create", "db", "--source")
    assert result.rc == 6 and "dev/wal" in result.err


def test_not_a_device(ready):
    (ready.path / "disk/wal").chmod(0o600)
    result = ready.run("create", "db", "--source")
    assert result.rc == 6 and "not a block device" in result.err


@pytest.mark.parametrize("name", ("log", "data"))
def test_device_in_use(ready, name):
    with open(ready.path / "disk" / name, "rb"):
        result = ready.run("create", "db", "--source")
    assert result.rc == 5 and f"dev/{name}: open in process" in result.err
    # a mark takes it from udev, and systemd unmounts what has gone: it must not even come for a moment
    assert not (ready.path / "run/backing").exists() and ready.looks() == []


@pytest.mark.parametrize("there", ("db", "db-wal"))
def test_name_is_taken(ready, there):
    """LVM names the LV wal of a VG db like that."""
    ready.fake(f"dev/{there}", "LVM-aabb\nlinear\n2048\n9\n0\n8:0 0")
    result = ready.run("create", "db", "--source")
    assert result.rc == 2 and f"there is a device /dev/mapper/{there} already" in result.err
    assert ready.marks() == set()


def test_one_device_by_two_names(ready):
    (ready.path / "dev/wal").unlink()
    (ready.path / "dev/wal").symlink_to(ready.path / "disk/data")
    result = ready.run("create", "db", "--source")
    assert result.rc == 2 and "are one device" in result.err
    assert ready.marks() == set()


def test_started(ready):
    ready.loaded()
    for verb in (["create", "db", "--source", "--force"], ["destroy", "db", "--force"]):
        result = ready.run(*verb)
        assert result.rc == 4 and "is started" in result.err
    assert ready.done() == []


def test_plain_devices_are_hidden(ready):
    ready.run("create", "db", "--source")
    assert ready.marks() == {ready.number(name) for name in ("log", "data", "wal")}


# ------------------------------------------------------------------------ LVM


def test_lvs_are_claimed(on_lvm):
    assert on_lvm.run("create", "db", "--source").rc == 0
    assert on_lvm.marks() == set(on_lvm.uuids.values())
    roles = {"vg/log": "log", "vg/data": "data", "vg/wal": "data"}
    for lv in on_lvm.lvs():
        assert lv["skip"] and not lv["autoactivation"] and lv["active"]
        assert lv["tags"] == ["lvr.group=db", "lvr.role=" + roles[lv["name"]]]
    assert dump(on_lvm)["group"] == "db"


def test_lv_of_another_group(on_lvm):
    lvs = on_lvm.lvs()
    lvs[1]["tags"] = ["x", "lvr.group=other", "y"]
    on_lvm.set_lvs(lvs)
    result = on_lvm.run("create", "db", "--source", "--force")
    assert result.rc == 4 and "data: is part of group other" in result.err
    assert on_lvm.lvs() == lvs and on_lvm.marks() == set()


@pytest.mark.parametrize("failing", ("log", "data", "wal"))
def test_lvm_fails(on_lvm, failing):
    """Nothing is active or hidden that was not before, and the command can be repeated."""
    on_lvm.fake(f"fail/lvm_vg_{failing}")
    result = on_lvm.run("create", "db", "--source")
    assert result.rc == 6 and "Fails as told." in result.err
    assert on_lvm.marks() == set() and not on_lvm.lvs()[0]["active"]
    assert_ordinary([lv for lv in on_lvm.lvs() if lv["name"] != f"vg/{failing}"])
    on_lvm.unfake(f"fail/lvm_vg_{failing}")
    assert on_lvm.run("create", "db", "--source").rc == 0


def assert_ordinary(lvs):
    for lv in lvs:
        assert not lv["skip"] and lv["autoactivation"] and lv["tags"] == [], lv


@pytest.mark.parametrize("before", ([], ["lvr.group=db", "lvr.role=data"]))
def test_create_fails_behind_the_marks(on_lvm, before):
    """They are taken away again, but not those that were there before."""
    lvs = on_lvm.lvs()
    lvs[1]["tags"] = before
    lvs[1]["skip"] = bool(before)
    lvs[1]["autoactivation"] = not before
    on_lvm.set_lvs(lvs)
    on_lvm.fake("fail/fsync")
    result = on_lvm.run("create", "db", "--source")
    assert result.rc == 6 and "Input/output error" in result.err, result
    assert on_lvm.lvs() == lvs and on_lvm.marks() == set()
    on_lvm.unfake("fail/fsync")
    assert on_lvm.run("create", "db", "--source").rc == 0


GUARDS = [(autoactivation, skip) for autoactivation in (True, False) for skip in (False, True)]


@pytest.fixture
def guarded(on_lvm):
    """As on_lvm, but some are kept from being activated already, each in its way; and have tags."""
    lvs = on_lvm.lvs()
    for lv, (autoactivation, skip) in zip(lvs, GUARDS[1:], strict=True):
        lv.update(autoactivation=autoactivation, skip=skip, tags=["mine"])
    on_lvm.set_lvs(lvs)
    return on_lvm


def unlike(lvs, **fields):
    return [dict(lv, **fields) for lv in lvs]


def test_lvs_are_given_back_as_they_were(guarded):
    before = guarded.lvs()
    assert guarded.run("create", "db", "--source").rc == 0
    assert all(lv["skip"] and not lv["autoactivation"] for lv in guarded.lvs())
    assert guarded.run("destroy", "db").rc == 0
    assert unlike(guarded.lvs(), active=True) == unlike(before, active=True)


def test_a_failed_create_gives_them_back_as_they_were(guarded):
    before = guarded.lvs()
    guarded.fake("fail/fsync")
    assert guarded.run("create", "db", "--source").rc == 6
    assert guarded.lvs() == before


def test_a_repeated_create_knows_how_they_were(guarded):
    """What the one before it set is not how they were."""
    before = guarded.lvs()
    assert guarded.run("create", "db", "--source").rc == 0
    claimed = guarded.lvs()
    assert guarded.run("create", "db", "--source", "--force").rc == 0
    assert guarded.lvs() == claimed
    assert guarded.run("destroy", "db").rc == 0
    assert unlike(guarded.lvs(), active=True) == unlike(before, active=True)


def test_no_such_lv(on_lvm):
    on_lvm.set_lvs(on_lvm.lvs()[:2])
    (on_lvm.path / "dev/wal").unlink()
    result = on_lvm.run("create", "db", "--source")
    assert result.rc == 6 and "Failed to find logical volume" in result.err


def test_destroy(on_lvm):
    on_lvm.run("create", "db", "--source")
    result = on_lvm.run("destroy", "db")
    assert result.rc == 0
    assert on_lvm.marks() == set()
    assert_ordinary(on_lvm.lvs())
    assert on_lvm.run("log", "dump", on_lvm.path / "disk/log").rc == 6
    assert on_lvm.run("create", "db", "--source").rc == 0


def test_destroy_keeps_other_tags(on_lvm):
    on_lvm.run("create", "db", "--source")
    lvs = on_lvm.lvs()
    lvs[0]["tags"].insert(0, "mine")
    on_lvm.set_lvs(lvs)
    on_lvm.run("destroy", "db")
    assert on_lvm.lvs()[0]["tags"] == ["mine"]


# -------------------------------------------------------------------- destroy


def refused_then_forced(box, text):
    before = (box.path / "disk/log").read_bytes()
    result = box.run("destroy", "db")
    assert result.rc == 4 and text in result.err, result
    assert (box.path / "disk/log").read_bytes() == before and box.marks() == set()
    assert box.run("destroy", "db", "--force").rc == 0
    assert box.run("log", "check", box.path / "disk/log").rc == 6


def test_destroy_undestaged(ready):
    ready.log("checkpoint=3", chunks=5)
    refused_then_forced(ready, "6 records are perhaps not on the volumes yet and would be lost; start, promote and stop")


def test_destroy_inconsistent(ready):
    ready.log("target=1")
    refused_then_forced(ready, "the volumes are marked inconsistent")


def test_destroy_damaged(ready):
    file = ready.log(chunks=2)
    with open(file, "r+b") as log:
        for slot in range(2):
            log.seek(slot * 32768 + 100)
            log.write(b"damage")
    refused_then_forced(ready, "the log is damaged")


def test_destroy_destaged(ready):
    ready.log("checkpoint=5", chunks=5)
    assert ready.run("destroy", "db").rc == 0


def test_destroy_log_of_another_group(ready):
    ready.log("group=other")
    result = ready.run("destroy", "db", "--force")
    assert result.rc == 4 and "is the log of group other" in result.err
    assert ready.run("log", "check", ready.path / "disk/log").rc == 0


def test_destroy_in_use(ready):
    ready.log()
    with open(ready.path / "disk/data", "rb"):
        assert ready.run("destroy", "db").rc == 5
    assert ready.run("log", "check", ready.path / "disk/log").rc == 0


def test_log_id_of_the_images(ready):
    """The other tests count on it."""
    ready.log()
    assert dump(ready)["log_id"] == LOG_ID
