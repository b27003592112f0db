"""The configuration: every error with its line, and nothing done."""
import pytest
from conftest import CONF

# what is changed in CONF, the line that is blamed (0: the whole file), what is said
WRONG = {
    "unknown section": ("[group]", "[groups]", 1, "unknown section [groups], expected [group], [node NAME]"),
    "name missing": ("[node alpha]", "[node]", 4, "unknown section [node], expected"),
    "name not wanted": ("[group]", "[group x]", 1, "unknown section [group x], expected"),
    "bad name": ("[volume data]", "[volume -x]", 12, '"-x" is no name'),
    "long name": ("[volume data]", f"[volume {'x' * 32}]", 12, "is no name, expected at most 31"),
    "words behind": ("[volume data]", "[volume data] id = 0", 12, "words behind"),
    "open bracket": ("[volume data]", "[volume data", 12, "no section, no `key = value'"),
    "no equals sign": ("mode = async", "mode async", 2, "no section, no `key = value'"),
    "before sections": ("[group]\n", "id = 0\n[group]\n", 1, "stands before any section"),
    "group twice": ("[volume data]", "[group]\n[volume data]", 12, "[group] again, first at line 1"),
    "node twice": ("[node beta]", "[node alpha]", 8, "[node alpha] again, first at line 4"),
    "volume twice": ("[volume wal]", "[volume data]", 15, "[volume data] again, first at line 12"),
    "third node": ("[volume data]", "[node gamma]\nid = 3\n[volume data]", 12, "one node too many"),
    "node named as a key": ("[node beta]", "[node device]", 8, 'cannot be named "device"'),
    "unknown key": ("mode = async", "mod = async", 2, 'unknown key "mod" in [group], expected one of mode, on-disconnect, on-full'),
    "unknown key of a node": ("log = {dir}/dev/log\n[node", "lag = {dir}/dev/log\n[node", 7,
                              'unknown key "lag" in [node], expected one of id, address, log'),
    "unknown key of a volume": ("device = {dir}/dev/data", "alfa = {dir}/dev/data", 14,
                                'unknown key "alfa", expected id, block-size, device or'),
    "key twice": ("mode = async", "mode = async\nmode = sync", 3, "mode again"),
    "origin twice": ("device = {dir}/dev/data", "alpha = /dev/x\nalpha = /dev/y", 15,
                     "alpha again, first at line 14"),
    "value": ("mode = async", "mode = quick", 2, 'mode is "quick", expected async|sync'),
    "number": ("mode = async", "stage-mib = 1", 2, 'stage-mib is "1", expected a number from 4'),
    "empty": ("mode = async", "mode =", 2, "mode is"),
    "id": ("id = 0\naddress", "id = 8\naddress", 5, 'id: found "8", expected 0 to 7'),
    "address": ("10.0.0.1:7794", "alpha.example.org:7794", 6,
                '"alpha.example.org:7794" is no address: expected 10.0.0.1:7794 or [fd00::1]:7794; names are not looked up'),
    "address without brackets": ("10.0.0.1:7794", "fd00::1", 6, '"fd00::1" is no address: expected'),
    "relative path": ("log = {dir}/dev/log\n[node", "log = dev/log\n[node", 7, "expected an absolute path"),
    "block size": ("[volume wal]", "block-size = 1024\n[volume wal]", 15, "expected 512 or 4096"),
    "no id": ("id = 0\naddress", "address", 4, "[node alpha] has no id"),
    "no log": ("log = {dir}/dev/log\n[node", "[node", 4, "[node alpha] has no log"),
    "no volume id": ("id = 1\ndevice", "device", 15, "[volume wal] has no id"),
    "no origin": ("device = {dir}/dev/data", "alpha = /dev/x", 12, "[volume data] has no device on node beta"),
    "both kinds of origin": ("device = {dir}/dev/data", "device = /dev/x\nbeta = /dev/y", 12,
                             "has device and a node's own"),
    "empty section": ("[volume wal]\nid = 1\ndevice = {dir}/dev/wal", "[volume wal]", 15, "[volume wal] has no id"),
    "same node id": ("id = 1\naddress", "id = 0\naddress", 8, "node beta has id 0 as node alpha"),
    "same volume id": ("id = 1\ndevice", "id = 0\ndevice", 15, "volume wal has id 0 as volume data"),
    "same address": ("10.0.0.2", "10.0.0.1", 8, "node beta has the address of node alpha"),
    "same origin": ("{dir}/dev/wal", "{dir}/dev/data", 15, "has the device of [volume data] on node alpha"),
    "origin is the log": ("{dir}/dev/wal", "{dir}/dev/log", 15, "lies on the log of node alpha"),
    "no key": ("key-file = {dir}/db.key\n", "", 1, "needs a key-file"),
    "block that does nothing": ("mode = async", "on-disconnect = block", 1, "on-disconnect = block promises nothing with mode = async"),
    "timers": ("mode = async", "ping-ms = 7000", 0, "expected more than ping-ms"),
    "long line": ("mode = async", "; " + 300 * "x", 2, "line too long"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong(box, what):
    old, new, line, text = WRONG[what]
    assert CONF.count(old) >= 1
    file = box.conf(CONF.replace(old, new, 1))
    box.key()
    box.disks()
    result = box.run("start", "db")
    place = f"{file}:{line}: " if line else f"{file}: "
    assert result.rc == 2, result
    assert any(said.startswith(place) and text in said for said in result.err.splitlines()), result
    assert box.done() == []


@pytest.mark.parametrize("what", ("node", "volume", "group"))
def test_section_missing(box, what):
    text, skip = "", False
    for line in CONF.splitlines(True):
        if line.startswith("["):
            skip = line.startswith(f"[{what}")
        text += "" if skip else line
    box.conf(text)
    result = box.run("start", "db")
    assert result.rc == 2 and f"[{what}" in result.err


def test_all_errors_are_told(box):
    box.conf(CONF.replace("mode = async", "mode = quick").replace("id = 1\ndevice", "id = x\ndevice"))
    result = box.run("start", "db")
    assert result.rc == 2 and len(result.err.splitlines()) == 2


def test_other_machine(box):
    box.conf()
    result = box.run("start", "db", node="gamma")
    assert result.rc == 2 and "no [node gamma]" in result.err


def test_no_conf(box):
    assert box.run("start", "db").rc == 3


def started(box, text, node="alpha"):
    box.conf(text)
    box.key()
    box.disks()
    box.run("create", "db", "--source", node=node)
    box.status()
    result = box.run("start", "db", node=node)
    assert result.rc == 0, result
    return next(line for line in box.done() if line.startswith("make db "))


def test_table_line(box):
    """The lower id connects, the other listens; what is default is left out."""
    assert started(box, CONF).endswith("group=db member=0 peer=1 connect=10.0.0.2:7794")


def test_table_line_of_the_listener(box):
    line = started(box, CONF, node="beta")
    assert line.endswith(" 4 group=db member=1 peer=0 listen=10.0.0.2:7794")


def test_every_option(box):
    line = started(box, CONF.replace("mode = async", """\
mode = sync  ; comment
on-disconnect = block
on-full = detach
start-primary = at-once
auth = none
stage-mib = 128
# comment
    ping-ms = 9000
    timeout-ms = 20000""").replace("key-file = {dir}/db.key\n", "").replace("10.0.0.2:7794", "[fd00::2]"))
    for word in ("connect=[fd00::2]:7794", "auth=none", "mode=sync", "on-disconnect=block", "on-full=detach",
                 "start-primary=at-once", "stage-mib=128", "ping-ms=9000", "timeout-ms=20000"):
        assert word in line.split(), word


def test_block_size(box):
    box.conf(CONF.replace("[volume wal]", "block-size = 4096\n[volume wal]"))
    box.key()
    box.disks()
    assert box.run("create", "db", "--source").rc == 0
    volumes = box.run("log", "dump", box.path / "disk/log", "--json").json()["super"]["volumes"]
    assert [volume["block_bytes"] for volume in volumes] == [4096, 512]


def test_block_size_too_small(box):
    box.conf(CONF.replace("[volume wal]", "block-size = 512\n[volume wal]"))
    box.key()
    box.disks()
    box.fake("block-bytes", 4096)
    result = box.run("create", "db", "--source")
    assert result.rc == 2 and "block-size 512 is less than the 4096" in result.err
