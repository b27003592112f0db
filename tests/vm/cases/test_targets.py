"""The device-mapper side: tables, status, events, messages, superblocks that are not as expected."""
import json
import re
import struct

import pytest
from kit import fill, kernel_says, names_of, refused
from pair import KEY, Load, Pair

SUPER_BYTES = 32 << 10
TORN_BYTES = 1024       # so much of a slot was written: a part of its members
COUNTERS = names_of("COUNTERS")


def table_of(node, name):
    return node.run(f"dmsetup table {name}").out.strip()


def reload(node, name, table=None):
    """Loads a table over the live one and resumes."""
    source = f"echo '{table}'" if table else f"dmsetup table {name}"
    node.run(f"{source} | dmsetup load {name} && dmsetup suspend {name} && dmsetup resume {name}",
             timeout=60)


def with_options(table, **options):
    """A table of the group with more options."""
    words = table.split()
    kept = [word for word in words[5:] if word.split("=")[0].replace("-", "_") not in options]
    added = [f"{key.replace('_', '-')}={value}" for key, value in options.items()]
    return " ".join(words[:4] + [str(len(kept) + len(added))] + kept + added)


def status_keys(node, name):
    return [word.split("=")[0] for word in node.run(f"dmsetup status {name}").out.split()[3:]]


def events(node, name):
    return int(node.run(f"dmsetup info -c --noheadings -o events {name}").out)


@pytest.mark.smoke
def test_tables_status_events(lab):
    """Tables round-trip, also under load and with all options; the status has its fields; a change
    of state makes an event and a trace; the key shows nowhere."""
    pair = Pair(lab, volume_mib=16, volatile=False).up()
    for node in pair.nodes:
        assert status_keys(node, "g0") == names_of("STATUS_FIELDS")
        assert status_keys(node, "g0-v0") == ["group", "volume", "role", "state", "origin"]
        found = json.loads(node.run("lvrctl status g0 --json").out)["groups"][0]
        missing = [field for field in names_of("STATUS_FIELDS") if field not in found]
        assert missing == []

    # a round trip changes nothing, under load, on both nodes, nor does it stop the load
    load = Load(pair, pair.a)
    load.run_until(50)
    for node in pair.nodes:
        for name in ("g0", "g0-v0", "g0-v1"):
            before = table_of(node, name)
            reload(node, name)
            assert table_of(node, name) == before
    load.run_until(50)
    pair.wait(pair.a, link="streaming", state="active", volumes="2/2")
    pair.wait(pair.b, link="streaming", state="standby", volumes="2/2")

    # options change by a reload, with writes under way
    plain = {node: table_of(node, "g0") for node in pair.nodes}
    for node in pair.nodes:
        reload(node, "g0", with_options(plain[node], mode="sync"))
    pair.wait(pair.a, mode="sync", in_sync=1)
    load.run_until(50)
    everything = dict(mode="sync", on_disconnect="block", on_full="detach", start_primary="at-once",
                      ping_ms=250, timeout_ms=4000)
    for node in pair.nodes:
        table = with_options(plain[node], **everything)
        reload(node, "g0", table)
        assert sorted(table_of(node, "g0").split()) == sorted(table.split())
        again = table_of(node, "g0")
        reload(node, "g0")
        assert table_of(node, "g0") == again
    load.run_until(50)
    for node in pair.nodes:
        reload(node, "g0", plain[node])
    pair.wait(pair.a, mode="async", in_sync=0)
    load.run_until(50)
    load.stop()
    load.check(pair.a, load.done)
    pair.assert_equal()

    # what a running group cannot change is refused, and nothing changes
    for options, words in [({"stage_mib": 16}, "stage-mib"), ({"member": 3}, "member"),
                           ({"group": "other"}, "group")]:
        kernel_says(pair.a, f"echo '{with_options(plain[pair.a], **options)}' | dmsetup load g0", words,
                    "running")
        assert table_of(pair.a, "g0") == plain[pair.a]

    # a change of state: event, trace, dmsetup wait
    pair.a.run("mkdir -p /sys/kernel/tracing; mount -t tracefs t /sys/kernel/tracing 2>/dev/null; "
               "echo 1 >/sys/kernel/tracing/events/lvr/enable")
    number = events(pair.a, "g0")
    waiter = pair.a.spawn(f"dmsetup wait g0 {number}")
    pair.a.run("lvrctl disconnect g0")
    waiter.wait(30)
    lab.wait(lambda: events(pair.a, "g0") > number, what="an event")
    pair.wait(pair.a, link="standalone")
    pair.a.run("lvrctl connect g0")
    pair.wait(pair.a, link="streaming")
    trace = pair.a.run("cat /sys/kernel/tracing/trace").out
    assert re.search(r"lvr_link_state: group=g0 from=\S+ to=standalone reason=\S", trace)
    assert re.search(r"lvr_link_state: group=g0 from=\S+ to=streaming", trace)
    number = events(pair.a, "g0")
    pair.a.run("lvrctl demote g0")
    lab.wait(lambda: events(pair.a, "g0") > number, what="an event")
    assert "lvr_group_state: group=g0 from=active to=demoting" in pair.a.run(
        "cat /sys/kernel/tracing/trace").out

    # the key
    pair.a.run(f"dmsetup message g0 0 set-key {KEY[:-1]}", check=False)
    for node in pair.nodes:
        text = node.run("dmsetup table; dmsetup table --showkeys; dmsetup status; dmesg; "
                        "lvrctl status g0 --json; dmsetup message g0 0 reason; "
                        "cat /sys/kernel/tracing/trace 2>/dev/null; cat /sys/module/dm_lvr/parameters/* "
                        "2>/dev/null || :").out
        assert KEY[:16] not in text and KEY[-17:-1] not in text


BAD_GROUP_LINES = [
    ("0 8 lvr-log", "expected"),
    ("0 8 lvr-log {log}", "found 1 words"),
    ("0 8 lvr-log {log} 2 group=g0", "'2'", "1 follow"),
    ("0 8 lvr-log {log} x group=g0 member=0", "'x'"),
    ("0 8 lvr-log {log} 1 group=g0", "member is missing"),
    ("0 8 lvr-log {log} 1 member=0", "group is missing"),
    ("0 8 lvr-log {log} 2 group=g0 member=8", "\"8\"", "0 to 7"),
    ("0 8 lvr-log {log} 2 group=a/b member=0", "a/b"),
    ("0 8 lvr-log {log} 3 group=g0 member=0 colour=red", "colour=red"),
    ("0 8 lvr-log {log} 3 group=g0 member=0 mode=fast", "fast", "async|sync"),
    ("0 8 lvr-log {log} 3 group=g0 member=0 member=0", "twice"),
    ("0 8 lvr-log {log} 3 group=g0 member=0 stage-mib=1", "stage-mib", "4"),
    ("0 8 lvr-log {log} 3 group=g0 member=0 stage-mib=18446744073709551617", "stage-mib"),
    ("0 8 lvr-log {log} 4 group=g0 member=0 peer=1 connect=10.77.0.2:99999", "99999"),
    ("0 8 lvr-log {log} 4 group=g0 member=0 peer=1 connect=beta:7794", "\"beta:7794\" is no address", "names are not looked up"),
    ("0 8 lvr-log {log} 3 group=g0 member=0 listen=10.77.0.1:7794", "without peer"),
    ("0 8 lvr-log {log} 5 group=g0 member=0 peer=1 connect=10.0.0.1:1 listen=10.0.0.1:1", "both"),
    ("0 8 lvr-log {log} 3 group=g0 member=0 peer=0", "both 0"),
    ("0 8 lvr-log {log} 4 group=g0 member=0 ping-ms=2000 timeout-ms=1000", "timeout-ms"),
    ("0 8 lvr-log /dev/nothing 2 group=g0 member=0", "/dev/nothing"),
    ("0 16 lvr-log {log} 2 group=g0 member=0", "8 sectors", "16"),
    ("0 8 lvr-log {log} 2 group=g1 member=0", "group g0", "g1"),
    ("0 8 lvr-log {log} 2 group=g0 member=1", "member 0", "1"),
    ("0 8 lvr-log {log} 3 group=g0 member=0 peer=5", "member 5"),
    ("0 8 lvr-log {v0} 2 group=g0 member=0", "no LVR superblock"),
]

BAD_VOLUME_LINES = [
    ("0 32768 lvr {group}", "found 1 words"),
    ("0 32768 lvr {group} 0 {v0} more", "found 4 words"),
    ("0 32768 lvr {v0} 0 {v0}", "not a group"),
    ("0 32768 lvr /dev/nothing 0 {v0}", "/dev/nothing"),
    ("0 32768 lvr {group} seven {v0}", "'seven'"),
    ("0 32768 lvr {group} 7 {v0}", "no volume 7"),
    ("0 32760 lvr {group} 0 {v0}", "32768", "32760"),
    ("0 32768 lvr {group} 0 /dev/nothing", "/dev/nothing"),
    ("0 32768 lvr {group} 0 {small}", "8192", "32768"),
    ("0 32768 lvr {group} 0 {log}", "is the log of the group"),
]

BAD_MESSAGES = [
    ("", "EINVAL", None),
    ("hello", "Invalid argument", "'hello'"),
    ("promote now", "Invalid argument", "'now'"),
    ("promote force force", "Invalid argument", "promote [force]"),
    ("demote 1", "Invalid argument", "demote"),
    ("set-key", "Invalid argument", "set-key"),
    ("set-key zz", "Invalid argument", "16 to 64"),
    ("set-key 00112233", "Invalid argument", "16 to 64"),
    ("set-key " + "ab" * 65, "Invalid argument", "16 to 64"),
    ("socket", "Invalid argument", "socket"),
    ("socket 1x", "Invalid argument", "'1x'"),
    ("socket 99", "", None),
    ("socket 0", "", None),
    ("discard", "Device or resource busy", "standby"),
    ("reason 1", "Invalid argument", "usage: reason"),
]

STEADY = ["role", "state", "consistent", "generation", "head", "link", "mode", "volumes",
          "writes", "errors"]


def test_bad_lines_and_messages(lab):
    """Each gets an errno and a reason with what was found and expected, and changes nothing."""
    pair = Pair(lab, volume_mib=16, volatile=False)
    lab.start()
    pair.create()
    node = pair.a
    node.run("modprobe dm-lvr; modprobe loop; truncate -s 4M /tmp/small")
    names = {"log": "/dev/disk/rig/log", "v0": "/dev/disk/rig/v0", "group": "/dev/mapper/g0",
             "small": node.run("losetup -f --show /tmp/small").out.strip()}
    before = node.run("dd if=/dev/disk/rig/log bs=64k count=1 iflag=direct 2>/dev/null | md5sum").out
    for line, *words in BAD_GROUP_LINES:
        kernel_says(node, f"echo '{line.format(**names)}' | dmsetup create bad", *words)
    after = node.run("dd if=/dev/disk/rig/log bs=64k count=1 iflag=direct 2>/dev/null | md5sum").out
    assert after == before
    assert "bad" not in node.run("dmsetup ls").out

    pair.start(node)
    node.run("lvrctl promote g0")
    pair.wait(node, state="active")
    fill(node, pair.device("v0"), 2)
    steady = {key: value for key, value in pair.status(node).items() if key in STEADY}
    for line, *words in BAD_VOLUME_LINES:
        kernel_says(node, f"echo '{line.format(**names)}' | dmsetup create bad", *words)
    # the same log twice, under another and under the same name
    for name in ("bad", "g0x"):
        kernel_says(node, f"echo '0 8 lvr-log {names['log']} 2 group=g0 member=0' | "
                    f"dmsetup create {name}", "loaded already")
    for message, errno, reason in BAD_MESSAGES:
        text = refused(node, f"dmsetup message g0 0 {message}")
        if errno != "EINVAL":
            assert errno in text, f"{message}: {errno} is not in {text}"
        if reason:
            told = node.run("dmsetup message g0 0 reason").out
            assert reason in told, f"{message}: {reason!r} is not in {told!r}"
    assert "bad" not in node.run("dmsetup ls").out
    now = pair.status(node)
    assert {key: now[key] for key in steady} == steady
    # a volume has no messages
    refused(node, "dmsetup message g0-v0 0 promote")
    fill(node, pair.device("v0"), 1)

    # counters go on where they stood
    pair.wait(node, destaged=lambda n: n == pair.status(node)["head"])
    before = {name: pair.status(node)[name] for name in COUNTERS}
    assert before["writes"] > 0 and before["write_bytes"] >= 3 << 20
    pair.stop(node)
    pair.start(node)
    after = pair.status(node)
    for name in COUNTERS:
        assert after[name] >= before[name], name
    assert (after["writes"], after["write_bytes"]) == (before["writes"], before["write_bytes"])


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc


def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        table.append(n)
    return table


CRC_TABLE = _crc_table()


def patched(slot, *changes):
    """A superblock with changes (format, offset, value) and a right checksum."""
    data = bytearray(slot)
    for form, offset, value in changes:
        struct.pack_into(form, data, offset, value)
    struct.pack_into("<I", data, 12, 0)
    plain = crc32c(data)
    struct.pack_into("<I", data, 12, plain)
    return bytes(data)


def test_superblocks(lab):
    """One damaged slot does no harm; two, an unknown format, another's log: refused, nothing written."""
    pair = Pair(lab, volumes=1, volume_mib=16, volatile=False)
    lab.start()
    pair.create()
    node = pair.a
    pair.start(node)
    node.run("lvrctl promote g0")
    fill(node, pair.device("v0"), 1)
    pair.stop(node)

    def slots():
        job = node.spawn("dd if=/dev/disk/rig/log bs=32k count=2 iflag=direct 2>/dev/null")
        job.wait()
        return job.stdout[:SUPER_BYTES], job.stdout[SUPER_BYTES:]

    def write(*both):
        node.put("/tmp/slots", b"".join(both))
        node.run("dd if=/tmp/slots of=/dev/disk/rig/log bs=32k oflag=direct conv=notrunc 2>/dev/null")

    good = slots()
    # the checksum is as the format says: crc32c(~0) of the slot with crc = 0
    stored = struct.unpack_from("<I", good[0], 12)[0]
    finish = patched(good[0])
    flip = struct.unpack_from("<I", finish, 12)[0] ^ stored

    def forged(slot, *changes):
        data = bytearray(patched(slot, *changes))
        crc = struct.unpack_from("<I", data, 12)[0] ^ flip
        struct.pack_into("<I", data, 12, crc)
        return bytes(data)

    assert flip in (0, 0xffffffff) and forged(good[1]) == good[1]
    zero = bytes(SUPER_BYTES)
    newest = max((0, 1), key=lambda n: struct.unpack_from("<Q", good[n], 40)[0])

    # one bad slot: the other serves
    for bad in (zero, b"\xff" * SUPER_BYTES, good[1 - newest][:-1] + b"\x01"):
        both = list(good)
        both[1 - newest] = bad
        write(*both)
        pair.start(node)
        pair.wait(node, state="unconfirmed")
        pair.stop(node)
    # ... and the newest bad: the one before, as after a torn write
    both = list(slots())
    newest = max((0, 1), key=lambda n: struct.unpack_from("<Q", both[n], 40)[0])
    both[newest] = both[newest][:TORN_BYTES] + bytes(SUPER_BYTES - TORN_BYTES)
    assert both[newest] != slots()[newest]
    write(*both)
    pair.start(node)
    pair.wait(node, state="unconfirmed")
    pair.stop(node)

    good = slots()
    log = "/dev/disk/rig/log"
    for words, change in [
            (("no LVR superblock",), None),
            (("version 1", "2"), ("<I", 8, 1)),
            (("feature", "80"), ("<Q", 32, 0x80)),        # incompatible
            (("feature", "40"), ("<Q", 24, 0x40)),        # read-only
    ]:
        both = [forged(slot, change) if change else zero for slot in good]
        write(*both)
        kernel_says(node, f"echo '0 8 lvr-log {log} 2 group=g0 member=0' | dmsetup create g0", *words)
        refused(node, "lvrctl start g0")
        assert slots() == tuple(both)
    # an unknown compatible feature is none of our business
    write(*[forged(slot, ("<Q", 16, 0x20)) for slot in good])
    pair.start(node)
    pair.wait(node, state="unconfirmed")
    pair.stop(node)
    # fields that cannot be, with a right checksum
    for change in [("<I", 120, 9), ("<I", 124, 513), ("<Q", 128, 1 << 60), ("<Q", 144, 12345)]:
        both = [forged(slot, change) for slot in good]
        write(*both)
        refused(node, f"echo '0 8 lvr-log {log} 2 group=g0 member=0' | dmsetup create g0")
        assert slots() == tuple(both)

    # another node's log, another group's
    write(*good)
    pair.configure(node)
    text = node.run("cat /etc/lvr/g0.conf").out
    node.put("/etc/lvr/g0.conf", text.replace("[node alpha]\nid = 0", "[node alpha]\nid = 2"))
    refused(node, "lvrctl start g0", "member")
    node.run("cp /etc/lvr/g0.key /etc/lvr/g1.key")
    node.put("/etc/lvr/g1.conf", text.replace("g0", "g1"))
    refused(node, "lvrctl start g1", "g0")
    assert "g0" not in node.run("dmsetup ls").out
    pair.start(node)
    pair.wait(node, state="unconfirmed")


# not 4096 with 4096: null_blk of 6.1 writes past its own page where a piece is smaller than a block
@pytest.mark.parametrize("log_block, block", [(4096, 512), (512, 512)])
def test_log_device_without_gaps(lab, log_block, block):
    """As NVMe: with blocks larger than a volume's it is refused, else it serves."""
    pair = Pair(lab, volumes=1, blocks=(block, block))
    node = pair.a
    lab.start()
    node.run(f"modprobe null_blk nr_devices=1 gb=1 bs={log_block} virt_boundary=1 memory_backed=1; "
             "ln -sfn /dev/nullb0 /dev/disk/rig/log; modprobe dm-lvr")
    pair.configure(node, start_primary="at-once")
    node.run("lvrctl create g0 --source")
    if log_block > block:
        refused(node, "lvrctl start g0", "no gaps in memory")
        return
    pair.start(node, start_primary="at-once")
    node.run("lvrctl promote g0")
    pair.wait(node, state="active")
    # a record by itself, many at once, and what does not fill its last page
    for size in (block, 4096, 12 << 10, 256 << 10):
        node.run(f"dd if=/dev/urandom of={pair.device('v0')} bs={size} count=16 oflag=direct 2>&1")
    written = node.run(f"dd if={pair.device('v0')} bs=1M count=4 iflag=direct 2>/dev/null | md5sum").out
    pair.stop(node)
    pair.start(node, start_primary="at-once")
    pair.wait(node, state="active")
    assert node.run(f"dd if={pair.device('v0')} bs=1M count=4 iflag=direct 2>/dev/null | md5sum").out == written
