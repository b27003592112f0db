"""Devices below that fail: what goes on, what is refused, and that nothing is lost when they are back."""
import json

import pytest
from kit import (assert_same_bytes, at_least, fill, origin, refused, settle, stop_incomplete, trace_wakers, traced,
                 uptime_s)
from meddled import Meddled, take_back
from pair import SLOW, Load
from soft import SoftPair

SYNC_WINDOW_SECT = 32 * 256     # of a full synchronisation: LVR_SYNC_WINDOW blocks of LVR_SYNC_BLOCK_BYTES are not acked


def write(pair, volume, byte, at_kib=0, kib=64):
    """A shell command that fills a range with a byte, durably. A short block from the pipe would be written
    past O_DIRECT, and then flushed."""
    return (f"head -c {kib << 10} /dev/zero | tr '\\0' '{byte}' | dd of={pair.device(volume)} "
            f"bs={kib}k seek={at_kib // kib} iflag=fullblock oflag=direct conv=notrunc,fsync 2>/dev/null")


def read(pair, volume, at_kib=0, kib=64):
    return f"dd if={pair.device(volume)} bs={kib}k skip={at_kib // kib} count=1 iflag=direct 2>/dev/null"


def first_byte(pair, node, volume, at_kib=0):
    return node.run(f"{read(pair, volume, at_kib)} | head -c 1").out


def test_origin_refuses_writes(lab):
    """What is staged is read, other volumes go on, writes to this one fail; all is there afterwards."""
    pair = SoftPair(lab).up()
    pair.a.run(write(pair, "v0", "a"))
    settle(pair)
    pair.swap(pair.a, "v0", "error")
    pair.a.run(write(pair, "v0", "b"))      # the log took it: it counts
    lab.wait(lambda: pair.volume_origin(pair.a, "v0") == "failing", what="the origin to be called failing")
    assert first_byte(pair, pair.a, "v0") == "b"
    assert pair.status(pair.a)["errors"] > 0
    refused(pair.a, write(pair, "v0", "c"))
    pair.a.run(write(pair, "v1", "d"))
    assert first_byte(pair, pair.a, "v1") == "d"
    head = pair.status(pair.a)["head"]
    pair.wait(pair.b, destaged=at_least(head))      # the other node lacks nothing
    assert pair.status(pair.a)["checkpoint"] < head
    pair.swap(pair.a, "v0", "linear")
    settle(pair)
    assert pair.volume_origin(pair.a, "v0") == "ok"
    assert_same_bytes(pair)
    assert origin(pair, pair.a, "v0")[:1] == b"b"


def test_origin_loses_what_it_did_not_flush(lab):
    """A failed flush may have dropped any write since the last: all of them come again from the log,
    and until then nobody reads what the device has instead."""
    pair = SoftPair(lab).up()
    pair.a.run(write(pair, "v0", "a") + "\n" + write(pair, "v1", "a"))
    settle(pair)

    def unflushed():
        """New writes, destaged and not yet part of a checkpoint, when the device goes."""
        checkpoint = pair.status(pair.a)["checkpoint"]
        pair.a.run(write(pair, "v1", "x"))
        pair.wait(pair.a, checkpoint=at_least(checkpoint + 1))
        pair.a.run(f"""{write(pair, "v0", "b")}
            {write(pair, "v1", "b")}
            head=$(dmsetup status g0 | sed 's/.* head=\\([0-9]*\\).*/\\1/')
            until dmsetup status g0 | grep -q " destaged=$head "; do :; done
            dmsetup suspend --noflush --nolockfs below-v0
            dmsetup reload below-v0 --table '{pair.below(pair.a, "v0", "flakey")}'
            dmsetup resume below-v0""")
        status = pair.status(pair.a)
        if status["checkpoint"] < status["head"]:
            return True
        pair.swap(pair.a, "v0", "linear")
        return False

    lab.wait(unflushed, what="a device to fail between destage and checkpoint")
    lab.wait(lambda: pair.volume_origin(pair.a, "v0") == "lost-writes", what="the failed flush")
    # as a device whose cache is gone, with something else in its place
    pair.a.run("head -c 65536 /dev/zero | tr '\\0' z | dd of=/dev/disk/rig/v0 bs=64k iflag=fullblock oflag=direct "
               "conv=notrunc 2>/dev/null")
    refused(pair.a, read(pair, "v0"))
    refused(pair.a, write(pair, "v0", "c"))
    assert first_byte(pair, pair.a, "v1") == "b"
    pair.a.run(write(pair, "v1", "d"))
    pair.swap(pair.a, "v0", "linear")
    lab.wait(lambda: pair.volume_origin(pair.a, "v0") == "ok", what="the lost writes to be made again")
    assert first_byte(pair, pair.a, "v0") == "b"
    assert first_byte(pair, pair.a, "v1") == "d"
    settle(pair)
    assert_same_bytes(pair)


def test_origin_fails_for_a_while_under_load(lab):
    """On either node, while the oracle writes to the other two volumes."""
    pair = SoftPair(lab, volumes=3).up()
    load = Load(pair, pair.a, devices=f"{pair.device('v0')} {pair.device('v1')}", per_second=SLOW)
    for node in pair.nodes:
        load.run_until(60)
        pair.swap(node, "v2", "error")
        pair.a.run(write(pair, "v2", "a"))
        lab.wait(lambda node=node: pair.volume_origin(node, "v2") != "ok", what="the fault to be seen")
        load.run_until(60)
        pair.swap(node, "v2", "linear")
        lab.wait(lambda node=node: pair.volume_origin(node, "v2") == "ok", what="the origin to be back")
    load.run_until(60)
    load.stop()
    load.check(pair.a, load.done)
    settle(pair)
    assert_same_bytes(pair)


def test_a_failing_origin_is_tried_quietly(lab):
    """Once a second, also while writers that wait for room ask for it all the time."""
    pair = SoftPair(lab).up()
    load = Load(pair, pair.a, devices=pair.device("v0"))
    load.run_until(60)
    pair.swap(pair.a, "v1", "error")
    pair.a.run(write(pair, "v1", "a"))
    pair.wait(pair.a, deferred=at_least(1), errors=at_least(1))
    began, errors = uptime_s(pair.a), pair.status(pair.a)["errors"]
    lab.wait(lambda: uptime_s(pair.a) > began + 5, what="some seconds to pass")
    tries, seconds = pair.status(pair.a)["errors"] - errors, uptime_s(pair.a) - began
    assert 1 <= tries <= seconds + 1, (tries, seconds)
    # it is suspended all the same, and without a flush so are those whose writers wait for it
    pair.a.run("dmsetup suspend g0-v1 && dmsetup resume g0-v1 && "
               "dmsetup suspend --noflush g0-v0 && dmsetup resume g0-v0", timeout=60)
    pair.wait(pair.a, deferred=at_least(1))
    pair.swap(pair.a, "v1", "linear")
    load.run_until(60)
    load.stop()
    load.check(pair.a, load.done)
    settle(pair)
    assert_same_bytes(pair)


@pytest.mark.parametrize("depth, flush_every", [(8, 16), (1, 1)], ids=["flushed", "forced"])
def test_log_device_fails(lab, depth, flush_every):
    """The node that cannot keep a promise any more makes none; what it promised is there afterwards. What fails is a
    write, or one that was to make itself durable."""
    pair = SoftPair(lab, start_primary="at-once").up()
    load = Load(pair, pair.a, depth=depth, flush_every=flush_every)
    load.run_until(60)
    pair.swap(pair.a, "log", "error")
    status = pair.wait(pair.a, state="failed")
    assert "log" in status["reason"]
    refused(pair.a, write(pair, "v0", "a"))
    pair.a.run(read(pair, "v0") + " >/dev/null")
    load.job.wait(timeout=30, check=False)
    flushed = load.flushed
    pair.swap(pair.a, "log", "linear")
    stop_incomplete(pair, pair.a)
    pair.start(pair.a)
    pair.wait(pair.a, state="active", link="streaming")
    load.check(pair.a, flushed)
    pair.assert_equal()


def under_way(node, device):
    """Reads, writes and flushes that a device has not answered yet."""
    name = node.run(f"dmsetup info -c --noheadings -o blkdevname {device}").out.strip()
    return sum(map(int, node.run(f"cat /sys/block/{name}/inflight").out.split()))


def at_rest(pair, *nodes):
    """Until nothing is left that a node would write to its log by itself: no checkpoint is due, neither for records
    nor for how far a full sync has come. Nor does it expect a flush behind the next write."""
    pair.a.run("\n".join([write(pair, "v1", "y").replace(",fsync", "")] * 8 + [write(pair, "v1", "z")]))
    settle(pair)
    for node in nodes:
        no_checkpoint_due(pair, node)


def no_checkpoint_due(pair, node):
    """Until a secondary, or who wrote last with a flush behind it, has no checkpoint to make."""
    head = pair.status(node)["head"]
    pair.wait(node, checkpoint=head, tail=head)


def part_log(pair, node, *held):
    """From now on writes and flushes of the log go their own ways, log-writes and log-flushes; those
    that are held are not answered."""
    size, disk = node.disks["log"].size >> 9, "/dev/disk/rig/log 0"
    ways = "/dev/mapper/log-writes 0 0 /dev/mapper/log-flushes 0 0"
    suspend = "".join(f"dmsetup suspend --noflush --nolockfs log-{name}\n" for name in held)
    node.run(f"""set -e
        for name in log-writes log-flushes; do
            dmsetup create $name --table '0 {size} linear {disk}'
        done
        {suspend}dmsetup suspend --noflush --nolockfs below-log
        dmsetup reload below-log --table '0 {size} delay {disk} 0 {ways}'
        dmsetup resume below-log""")


def test_a_flush_promises_what_was_written_before_it(lab):
    """An fsync waits for a flush of the log that began behind it. What was under way when a flush began is not
    durable by it."""
    pair = SoftPair(lab).up()
    a = pair.a
    at_rest(pair, a)
    part_log(pair, a, "flushes")
    unflushed = write(pair, "v1", "a").replace(",fsync", "")
    a.run(unflushed)
    lab.wait(lambda: under_way(a, "below-log") == 1, what="a flush of the log")
    promise = a.spawn(f"{unflushed} && echo written && "
                      f"dd if=/dev/null of={pair.device('v1')} conv=notrunc,fsync 2>/dev/null")
    lab.wait(lambda: "written" in promise.out, what="the write behind it")
    a.run("\n".join([unflushed] * 5))
    assert promise.poll() is None
    written = pair.status(a)["head"]
    a.run("dmsetup suspend --noflush --nolockfs log-writes")
    late = a.spawn(write(pair, "v0", "b").replace(",fsync", ""))
    pair.wait(a, head=at_least(written + 1))
    a.run("dmsetup resume log-flushes")
    promise.wait(timeout=60)
    status = pair.wait(a, durable=at_least(written))
    assert status["durable"] == written < status["head"] and late.poll() is None, status
    a.run("dmsetup resume log-writes")
    late.wait(timeout=60)
    pair.swap(a, "log", "linear")
    settle(pair)
    assert_same_bytes(pair)


def test_a_durable_write_waits_for_what_is_volatile_before_it(lab):
    """FUA makes one write durable, not those before it, without which the log ends in front of it."""
    pair = SoftPair(lab).up()
    a = pair.a
    at_rest(pair, a)
    part_log(pair, a)
    forced = write(pair, "v0", "a").replace("direct", "direct,dsync").replace(",fsync", "")
    before = pair.status(a)
    a.run(forced)
    after = pair.status(a)
    assert after["durable"] == after["head"] > before["head"] and after["flushes"] == before["flushes"], after
    at_rest(pair, a)        # no checkpoint of that one comes
    head = pair.status(a)["head"]
    a.run("dmsetup suspend --noflush --nolockfs log-flushes")
    a.run(write(pair, "v1", "b").replace(",fsync", ""))
    lab.wait(lambda: under_way(a, "below-log") == 1, what="a flush of the log")
    promise = a.spawn(forced)
    pair.wait(a, head=at_least(head + 2))
    lab.wait(lambda: under_way(a, "below-log") == 1, what="the write")
    status = pair.status(a)
    assert status["durable"] == head == status["head"] - 2 and promise.poll() is None, status
    a.run("dmsetup resume log-flushes")
    promise.wait(timeout=60)
    assert pair.status(a)["durable"] == head + 2
    pair.swap(a, "log", "linear")
    settle(pair)
    assert_same_bytes(pair)


def test_sync_waits_for_the_flush_of_the_peers_log(lab):
    """What the peer has received, or written, and not made durable is not acknowledged. The first write makes
    itself durable; those that were under way beside it need a flush."""
    pair = SoftPair(lab, mode="sync").up()
    a, b = pair.nodes
    pair.wait(a, in_sync=1)
    at_rest(pair, b)
    part_log(pair, b, "writes", "flushes")
    unflushed = write(pair, "v0", "a").replace(",fsync", "")
    writes = []
    for _ in range(4):
        head = pair.status(b)["head"]
        writes.append(a.spawn(unflushed))
        pair.wait(b, head=at_least(head + 1))
    lab.wait(lambda: under_way(b, "below-log") == 4, what="four writes to beta's log")
    status = pair.status(b)
    assert status["durable"] == status["head"] - 4 and [write.poll() for write in writes] == [None] * 4, status
    b.run("dmsetup resume log-writes")
    pair.wait(b, flushes=at_least(status["flushes"] + 1))
    writes[0].wait(timeout=60)
    status, primary = pair.status(b), pair.status(a)
    ends = [write.poll() for write in writes]
    assert status["durable"] == status["head"] - 3 and ends == [0] + [None] * 3, (ends, status, primary)
    b.run("dmsetup resume log-flushes")
    for one in writes:
        one.wait(timeout=60)
    pair.swap(b, "log", "linear")
    settle(pair)
    assert_same_bytes(pair)


def test_a_flush_waits_for_no_write_that_is_not_acknowledged(lab):
    """In sync mode others may have written what their peer does not hold yet: a flush promises nothing of that."""
    pair = SoftPair(lab, mode="sync").up()
    a, b = pair.nodes
    pair.wait(a, in_sync=1)
    at_rest(pair, b)
    part_log(pair, b, "writes")
    head = pair.status(a)["head"]
    other = a.spawn(write(pair, "v1", "a").replace(",fsync", ""))
    pair.wait(a, written=at_least(head + 1))
    a.run(f"dd if=/dev/null of={pair.device('v0')} conv=notrunc,fsync 2>&1", timeout=60)
    assert other.poll() is None and under_way(b, "below-log") == 1
    b.run("dmsetup resume log-writes")
    other.wait(timeout=60)
    pair.swap(b, "log", "linear")
    settle(pair)
    assert_same_bytes(pair)


def test_a_generation_that_its_primary_lost(lab):
    """alpha comes back from a crash, begins a generation, sends the record, and loses it with the power before it was
    durable. Nobody has taken over: it gets the record back and goes on."""
    pair = SoftPair(lab).up()
    a, b = pair.nodes
    pair.a.run(write(pair, "v0", "a"))
    at_rest(pair, a, b)
    lab.cut()
    a.power_cut(1)
    pair.reboot(a)
    pair.wait(a, state="unconfirmed")
    pair.swap(a, "log", "delay")
    head = pair.status(b)["head"]
    lab.heal()
    pair.wait(b, head=at_least(head + 1))
    lab.cut()
    a.power_cut(2, policy="drop")
    pair.reboot(a)
    assert pair.wait(a, state="unconfirmed")["head"] == head
    lab.heal()
    pair.wait(a, state="active", role="primary")
    pair.wait_synced()
    settle(pair)
    assert_same_bytes(pair)


def is_in(node, function):
    """Whether a thread waits in a function of the kernel."""
    return node.run(f"cat /proc/[0-9]*/stack 2>/dev/null | grep -q {function}", check=False).rc == 0


class SoftMeddled(Meddled, SoftPair):
    """alpha connects through a meddler, and devices below can be made to fail."""


def test_a_promotion_waits_for_what_ends_its_hand_over(lab):
    """It is asked for while that is being written down, and must not go by what counted before."""
    pair = SoftMeddled(lab).up()
    b = pair.b
    take_back(pair)
    no_checkpoint_due(pair, b)
    part_log(pair, b, "writes")
    pair.through("there chunk 1 end")
    lab.wait(lambda: is_in(b, "lvr_role_void_handover"), what="the superblock that says so")
    promotion = b.spawn("lvrctl promote g0")
    lab.wait(lambda: is_in(b, "lvr_role_promote"), what="the promotion to wait")
    b.run("dmsetup resume log-writes")
    result = promotion.wait(check=False)
    assert result.rc and "has not handed over" in result.out + result.err, result.out + result.err
    pair.swap(b, "log", "linear")
    pair.through()
    pair.wait(b, destaged=pair.status(pair.a)["head"])
    pair.a.run("lvrctl promote g0")
    pair.wait_synced()
    settle(pair)
    assert_same_bytes(pair)


def test_who_is_demoted_while_unconfirmed_keeps_no_hand_over(lab):
    """alpha handed over to itself, and lost its power before it was a secondary. It hears of beta's takeover in a
    handshake that does not end; demoted after that it does not go on beside beta."""
    pair = SoftMeddled(lab).up()
    a, b = pair.nodes
    at_rest(pair, a)
    a.run("lvrctl disconnect g0")
    pair.swap(a, "log", "held")
    a.spawn("lvrctl demote g0")
    lab.wait(lambda: pair.delayed(a, "log")[2], what="the flush behind the hand-over")
    a.power_cut(1, policy="keep")
    pair.wait(b, link="waiting")
    b.run("lvrctl promote g0 --force")
    fill(b, pair.device("v0"), 1)
    pair.reboot(a, "back verdict 1 end")
    lab.wait(lambda: pair.meddler.poll() is not None, what="the handshake")
    pair.wait(a, state="unconfirmed", link="waiting")
    refused(a, "lvrctl demote g0", "this node was unconfirmed")
    refused(a, "lvrctl promote g0", "has not handed over")
    pair.through()
    pair.wait(a, link="refused")
    a.run("lvrctl connect g0 --discard")
    pair.wait_synced(b)
    settle(pair, b)
    assert_same_bytes(pair)


def erase_last_chunk(node):
    """What a disk may lose that is damaged."""
    dump = json.loads(node.run("lvrctl log dump /dev/mapper/below-log --json").out)
    at = (dump["super"]["ring_start_sect"] << 9) + dump["chunks"][-1]["off"] % dump["super"]["ring_bytes"]
    node.run(f"dd if=/dev/zero of=/dev/mapper/below-log bs=512 seek={at >> 9} count=1 conv=notrunc,fsync 2>/dev/null")


def test_what_was_called_durable_is_not_dropped(lab):
    """A primary whose log was damaged goes on at once without its last record. The peer, which has destaged nothing of
    it, keeps what may be the only copy of it, and says why."""
    pair = SoftPair(lab, start_primary="at-once").up()
    a, b = pair.nodes
    at_rest(pair, a, b)
    for node in pair.nodes:
        pair.swap(node, "v0", "flakey")
    head = pair.status(a)["head"]
    a.run(write(pair, "v0", "a"))
    written = pair.status(a)["head"]
    assert written > head
    pair.wait(b, peer_durable=written)
    a.kill()
    a.start()
    pair.make_below(a)
    erase_last_chunk(a)
    pair.start(a)
    pair.wait(a, state="active")
    pair.wait(b, head=written, link_reason=lambda reason: "called_durable" in reason)
    pair.swap(b, "v0", "linear")
    pair.wait(b, link="refused", destaged=written)
    b.run("lvrctl connect g0 --discard")
    pair.wait_synced()
    settle(pair)
    assert_same_bytes(pair)


def test_a_full_synchronisation_does_not_wait_for_the_volumes(lab):
    """What is durable in the target's log is acked though nothing can be destaged: a flush of the log wakes who does
    that, and none of the source's windows waits until it looks by itself."""
    pair = SoftPair(lab, ping_ms=60_000, timeout_ms=600_000, volume_mib=12)
    lab.start()
    pair.create()
    for volume in pair.volumes:
        fill(pair.a, f"/dev/disk/rig/{volume}", 12)
    for node in pair.nodes:
        pair.start(node)
    for volume in pair.volumes:
        pair.b.run(f"dmsetup suspend --noflush --nolockfs below-{volume}")
    trace_wakers(pair.b, "lvr_send", stacks=True)
    pair.a.run("lvrctl promote g0")
    total = pair.wait(pair.a, link="syncing", sync_total_sect=at_least(1))["sync_total_sect"]
    pair.wait(pair.a, sync_done_sect=total)
    assert pair.status(pair.b)["consistent"] == 0
    wakers = traced(pair.b)
    assert wakers.count("flush_endio") >= total // SYNC_WINDOW_SECT, (total, wakers[-3000:])
    for volume in pair.volumes:
        pair.b.run(f"dmsetup resume below-{volume}")
    pair.wait_synced()
    settle(pair)
    assert_same_bytes(pair)


def test_demoted_with_all_memory_held_by_a_failing_origin(lab):
    """To hand over is what remains then: what is durable gives back the memory that the record takes."""
    pair = SoftPair(lab, stage_mib=4).up()
    a, b = pair.nodes
    a.run("dmsetup suspend --noflush --nolockfs below-v0")
    load = Load(pair, a, depth=64, devices=pair.device("v0"))
    pair.wait(a, deferred=at_least(1))
    pair.swap(a, "v0", "error")
    assert load.job.wait(60, check=False).rc not in (0, -9)
    a.run("lvrctl demote g0", timeout=60)
    b.run("lvrctl promote g0")
    load.check(b, load.done)


class LosesSectors(SoftPair):
    """alpha's log is a SCSI disk of the kernel's own, which can lose sectors."""

    def below(self, node, name, target="linear"):
        text = super().below(node, name, target)
        return text.replace("/dev/disk/rig/log", "/dev/sda") if node is self.a else text

    def lose(self, sect=None):
        """Ten sectors from this one on cannot be read; None: all can."""
        lost = "" if sect is None else f"echo {sect} > /sys/module/scsi_debug/parameters/medium_error_start"
        self.a.run(f"{lost}\necho {2 if lost else 0} > /sys/bus/pseudo/drivers/scsi_debug/opts")


def test_a_lost_sector_is_not_the_end_of_the_log(lab):
    """What cannot be read is not taken for what was never written. Behind the end it does not matter."""
    pair = LosesSectors(lab)
    lab.start()
    a = pair.a
    a.run("modprobe -a sd_mod && modprobe scsi_debug dev_size_mb=64 delay=0 && until [ -b /dev/sda ]; do sleep 0.1; done")
    pair.up()
    pair.stop(pair.b)
    pair.wait(a, link="waiting")
    at_rest_alone = pair.status(a)["head"]
    pair.swap(a, "v0", "error")
    a.run(write(pair, "v0", "b", kib=1024))
    head = pair.status(a)["head"]
    assert head > at_rest_alone
    stop_incomplete(pair, a)
    found = a.run('''for mib in $(seq 0 63); do
            [ $(dd if=/dev/sda bs=1M skip=$mib count=1 2>/dev/null | tr -cd b | wc -c) -gt 100000 ] && echo $mib
        done; true''').out.split()
    first, *_, last = [int(mib) << 11 for mib in found] * 2      # sectors
    assert last - first in (0, 2048)
    pair.lose(first + (2000 if last > first else 1000))
    a.run("lvrctl start g0", check=False)
    assert "cannot_read_the_log_back" in pair.wait(a, state="failed")["reason"]
    stop_incomplete(pair, a)
    pair.swap(a, "v0", "linear")
    pair.lose(last + 2048 + 500)
    pair.start(a)
    assert pair.wait(a, state="unconfirmed")["head"] == head
    pair.lose()
    pair.start(pair.b)
    pair.wait_synced()
    settle(pair)
    assert_same_bytes(pair)
    assert origin(pair, pair.b, "v0")[:1 << 20] == b"b" * (1 << 20)


def test_a_secondary_takes_what_its_volumes_do_not(lab):
    """What is durable in its log gives its memory back, also behind what a volume has been holding up for long."""
    pair = SoftPair(lab, mode="sync", on_disconnect="block", stage_mib=4).up()
    a, b = pair.nodes
    pair.wait(a, in_sync=1)
    at_rest(pair, a)
    destaged = pair.status(b)["destaged"]
    for volume in pair.volumes:
        b.run(f"dmsetup suspend --noflush --nolockfs below-{volume}")
    a.run(f"dd if=/dev/urandom of={pair.device('v0')} bs=4k count=2000 oflag=direct conv=notrunc 2>/dev/null", timeout=120)
    status = pair.status(b)
    assert status["destaged"] == destaged and status["durable"] >= destaged + 2000
    for volume in pair.volumes:
        b.run(f"dmsetup resume below-{volume}")
    settle(pair)
    assert_same_bytes(pair)


def test_writers_go_on_without_a_peer_that_takes_nothing(lab):
    """mode=sync with on-disconnect=async: it is heard, but its log hangs."""
    pair = SoftPair(lab, mode="sync", timeout_ms=1500 * lab.slowness).up()
    a, b = pair.nodes
    pair.wait(a, in_sync=1)
    b.run("dmsetup suspend --noflush --nolockfs below-log")
    a.run(write(pair, "v0", "a"), timeout=120)
    assert "the peer has acknowledged nothing for" in a.run("dmesg").out
    assert pair.status(a)["in_sync"] == 0
    a.run(write(pair, "v1", "b"))
    b.run("dmsetup resume below-log")
    pair.wait(a, link="streaming", in_sync=1)
    settle(pair)
    assert_same_bytes(pair)


def test_a_takeover_reads_what_its_primary_never_flushed(lab):
    """A secondary holds back what its primary has not made durable. Who takes over serves nothing before that is on
    its volumes: it has no index of what it received."""
    pair = SoftPair(lab).up()
    a, b = pair.nodes
    a.run(write(pair, "v0", "a"))
    at_rest(pair, a)
    part_log(pair, a, "flushes")
    head = pair.status(a)["head"]
    a.run(write(pair, "v0", "b").replace(",fsync", ""))
    pair.wait(b, head=at_least(head + 1), durable=at_least(head + 1))
    assert pair.status(b)["destaged"] == head
    a.kill()
    pair.wait(b, link="waiting")
    out = b.run(f"lvrctl failover g0 --force >/dev/null 2>&1; {read(pair, 'v0')}").out
    assert out == "b" * (64 << 10), out[:100]


def test_destage_waits_for_the_flush_of_the_log(lab):
    """What the log might lose is on no origin."""
    pair = SoftPair(lab).up()
    load = Load(pair, pair.a, per_second=SLOW)
    load.run_until(60)
    pair.swap(pair.a, "log", "delay")
    seen = set()

    def moved():
        status = pair.status(pair.a)
        assert status["destaged"] <= status["durable"], status
        seen.add(status["destaged"])
        return len(seen) > 4
    lab.wait(moved, what="destage behind slow flushes")
    pair.swap(pair.a, "log", "linear")
    load.stop()
    load.check(pair.a, load.done)
    settle(pair)
    assert_same_bytes(pair)


def test_log_device_fails_twice(lab):
    """A write to the log and a flush are under way when the group goes, and both fail, one after the
    other: the last error ends the waiting, not only the first."""
    pair = SoftPair(lab).up()
    a, b = pair.nodes
    at_rest(pair, a, b)
    part_log(pair, a, "flushes")    # so nothing is destaged at beta, and no checkpoint has its log
    part_log(pair, b, "flushes")
    unflushed = write(pair, "v0", "a").replace(",fsync", "")
    a.run(unflushed)
    lab.wait(lambda: under_way(b, "below-log") == 1, what="a flush of beta's log")
    b.run("dmsetup suspend --noflush --nolockfs log-writes")
    a.run(unflushed)
    lab.wait(lambda: under_way(b, "below-log") == 2, what="a write to beta's log")
    gone = b.spawn("dmsetup remove --force g0")
    lab.wait(lambda: "-> stopping" in b.run("dmesg").out, what="the group to go")
    refuse = f"--table '{pair.below(b, 'log', 'flakey')}'"
    b.run(f"dmsetup reload log-writes {refuse}; dmsetup resume log-writes")
    lab.wait(lambda: "log device write failed" in b.run("dmesg").out, what="the first error")
    b.run(f"dmsetup reload log-flushes {refuse}; dmsetup resume log-flushes")
    gone.wait(timeout=60, check=False)
    for name in ("g0-v0", "g0-v1", "g0"):
        b.run(f"dmsetup remove {name}", timeout=60)
    a.run("dmsetup resume log-flushes")
    pair.swap(b, "log", "linear")
    b.run("rmmod dm_lvr", timeout=60)
    pair.start(b)
    pair.wait(a, link="streaming")
    pair.assert_equal()


def test_peer_of_a_failed_log_may_take_over(lab):
    """It does not take the node for a working primary because that still answers."""
    pair = SoftPair(lab, mode="sync").up()
    pair.wait(pair.a, in_sync=1)
    load = Load(pair, pair.a)
    load.run_until(60)
    pair.swap(pair.a, "log", "error")
    pair.wait(pair.a, state="failed")
    load.job.wait(timeout=30, check=False)
    pair.failover(pair.b)
    load.check(pair.b, load.done)
    # and a secondary whose log fails is no copy that counts
    pair.swap(pair.a, "log", "linear")
    stop_incomplete(pair, pair.a)
    pair.start(pair.a)
    pair.wait(pair.a, role="secondary")
    status = pair.wait(pair.a, link=lambda link: link in ("refused", "streaming"))
    if status["link"] == "refused":
        pair.a.run("lvrctl connect g0 --discard")
    pair.wait(pair.a, link="streaming", consistent=1)
    pair.swap(pair.a, "log", "error")
    pair.b.run(write(pair, "v0", "a"))
    pair.wait(pair.a, state="failed")
    pair.wait(pair.b, link="waiting")
    pair.b.run(write(pair, "v0", "b"))
