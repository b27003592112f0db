"""A log that is full: writers wait, or the peer is given up and comes back by a full sync."""
import pytest
from kit import assert_same_bytes, at_least, fill, refused
from pair import Load, Pair

SMALL = dict(log_mib=16, volume_mib=16, stage_mib=4)


@pytest.mark.smoke
def test_block(lab):
    """Writers wait for the peer, the status says so, and they go on when it is back."""
    pair = Pair(lab, on_full="block", **SMALL).up()
    load = Load(pair, pair.a)
    load.run_until(50)
    lab.cut()
    job = pair.a.spawn(f"dd if=/dev/urandom of={pair.device('v1')} bs=256k seek=16 count=48 oflag=direct 2>&1 && "
                       f"dd if=/dev/urandom of={pair.device('v1')} bs=256k seek=16 count=48 oflag=direct 2>&1")
    status = pair.wait(pair.a, deferred=at_least(1), link="waiting")
    assert job.poll() is None
    status = pair.wait(pair.a, destaged=at_least(1),
                       used_bytes=lambda n: n > status["ring_bytes"] - (2 << 20))
    shown = " ".join(pair.a.run("lvrctl status g0").out.split())
    assert "wait" in shown and "beta" in shown and "full" in shown, shown
    # reads go on, and so do orders; a wait for the peer is no failure
    pair.a.run(f"dd if={pair.device('v0')} of=/dev/null bs=1M count=4 iflag=direct 2>&1")
    assert pair.status(pair.a)["state"] == "active"
    lab.heal()
    pair.wait(pair.a, link="streaming", deferred=0, timeout=120)
    load.run_until(50)
    job.wait(timeout=120)
    load.stop()
    load.check(pair.a, load.done)
    pair.assert_equal()
    status = pair.status(pair.a)
    assert status["sync_bytes"] == 0
    pair.stop(pair.b)
    load.check(pair.b, load.done, pair.raw())


def log_writes(pair, node):
    """How many writes the log device has had."""
    return int(node.run("cat /sys/class/block/$(basename $(readlink -f /dev/disk/rig/log))/stat")
               .out.split()[4])


def test_block_waits_quietly(lab):
    """While writers wait for a peer that is away there is nothing to be written down over and over."""
    pair = Pair(lab, on_full="block", **SMALL).up()
    lab.cut()
    job = pair.a.spawn(f"dd if=/dev/urandom of={pair.device('v1')} bs=256k count=64 oflag=direct; "
                       f"dd if=/dev/urandom of={pair.device('v1')} bs=256k count=64 oflag=direct")
    before = pair.wait(pair.a, deferred=at_least(1), link="waiting")
    writes = log_writes(pair, pair.a)
    after = pair.wait(pair.a, seen_ms=at_least(before["seen_ms"] + 5000))
    writes = log_writes(pair, pair.a) - writes
    assert writes < (after["seen_ms"] - before["seen_ms"]) // 100
    lab.heal()
    pair.wait(pair.a, link="streaming", timeout=120)
    job.wait(timeout=120)
    pair.assert_equal()


def test_block_and_crash(lab):
    """A primary that dies with a full log recovers all of it, and the peer gets the rest."""
    pair = Pair(lab, on_full="block", start_primary="at-once", **SMALL).up()
    load = Load(pair, pair.a)
    load.run_until(50)
    lab.cut()
    pair.a.spawn(f"dd if=/dev/urandom of={pair.device('v1')} bs=256k seek=16 count=48 oflag=direct; "
                 f"dd if=/dev/urandom of={pair.device('v1')} bs=256k seek=16 count=48 oflag=direct")
    pair.wait(pair.a, deferred=at_least(1), link="waiting")
    pair.a.power_cut(5)
    promised = load.flushed
    pair.reboot(pair.a)
    pair.wait(pair.a, state="active")
    load.check(pair.a, promised)
    lab.heal()
    pair.wait(pair.a, link="streaming", timeout=120)
    pair.assert_equal()


@pytest.mark.long
@pytest.mark.parametrize("peer", ["old", "new"])
def test_starts_with_a_full_log(lab, peer):
    """A primary that crashes over and over while its log is full and its peer away: when the room for what
    becoming primary writes is used up too, it waits for the peer, and the peer gets the log; or needs it no more."""
    pair = Pair(lab, on_full="block", start_primary="at-once", log_blocks=(4096, 4096), **SMALL).up()
    lab.cut()
    # small ones in the end, which leave nothing but that room
    pair.a.spawn(f"dd if=/dev/urandom of={pair.device('v1')} bs=256k count=54 oflag=direct; "
                 f"dd if=/dev/urandom of={pair.device('v1')} bs=4k count=1000 oflag=direct")
    pair.wait(pair.a, deferred=at_least(1), link="waiting")
    used = starts = 0
    while used != pair.status(pair.a)["used_bytes"]:
        used = pair.status(pair.a)["used_bytes"]
        pair.a.power_cut(starts)
        pair.reboot(pair.a)
        starts += 1
        status = pair.wait(pair.a, state=lambda state: state in ("active", "promoting"),
                           link_reason=lambda reason: reason.startswith("cannot_connect"))
    assert starts > 10 and status["state"] == "promoting"
    if peer == "new":
        pair.stop(pair.b)
        pair.b.run("lvrctl create g0 --target --force")
        pair.start(pair.b)
    lab.heal()
    pair.wait_synced()
    assert pair.status(pair.a)["state"] == "active"
    fill(pair.a, pair.device("v0"), 2)
    pair.assert_equal()
    assert (pair.status(pair.a)["sync_bytes"] == 0) == (peer == "old")


def test_detach(lab):
    """The peer is given up, durably inconsistent while it is brought back, and brought back by
    itself; over a cut and a restart of either node."""
    pair = Pair(lab, on_full="detach", **SMALL).up()
    load = Load(pair, pair.a)
    load.run_until(50)
    lab.cut()
    for _ in range(2):      # more than the log holds; nobody waits for the peer
        fill(pair.a, pair.device("v1"), 12, seek_mib=4)
    load.run_until(50)
    assert pair.status(pair.a)["deferred"] == 0
    text = pair.a.run("dmesg | grep -i detached").out
    assert "beta" in text
    # the peer is as it was: consistent, and old
    assert pair.status(pair.b)["consistent"] == 1
    synced = pair.status(pair.a)["sync_bytes"]

    # slow enough that the sync is seen, and cut in its middle
    before = pair.status(pair.b)["destaged_bytes"]
    lab.heal()
    lab.slow(rate_mbit=20)
    pair.wait(pair.a, link="syncing")
    pair.wait(pair.b, consistent=0, link="syncing", destaged_bytes=at_least(before + 1))
    lab.cut()
    pair.wait(pair.b, link="waiting")
    refused(pair.b, "lvrctl promote g0")
    assert "INCONSISTENT" in refused(pair.b, "lvrctl failover g0", "--force")
    assert pair.status(pair.b)["role"] == "secondary"
    # the target restarts, with what its cache lost: still marked
    pair.b.power_cut(3)
    pair.reboot(pair.b)
    assert pair.status(pair.b)["consistent"] == 0
    refused(pair.b, "lvrctl failover g0")
    # the source restarts
    load.stop()
    pair.a.power_cut(4)
    pair.reboot(pair.a, start_primary="at-once")
    pair.wait(pair.a, state="active")
    lab.heal()
    pair.wait(pair.b, consistent=1, link="streaming", timeout=180)
    assert pair.status(pair.a)["sync_bytes"] > synced
    pair.wait(pair.a, link="streaming")
    load.check(pair.a, load.flushed)
    pair.assert_equal()
    assert_same_bytes(pair)


@pytest.mark.long
def test_detach_twice(lab):
    """In and out again: each time the peer is whole afterwards, and ordinary cuts need no sync."""
    pair = Pair(lab, on_full="detach", **SMALL).up()
    for _ in range(2):
        lab.cut()
        for _ in range(2):
            fill(pair.a, pair.device("v1"), 12)
        lab.heal()
        pair.wait(pair.a, link="streaming", timeout=180)
        pair.wait(pair.b, consistent=1, link="streaming")
        pair.assert_equal()
        synced = pair.status(pair.a)["sync_bytes"]
        pair.a.run("lvrctl disconnect g0")
        fill(pair.a, pair.device("v0"), 1)
        pair.a.run("lvrctl connect g0")
        pair.wait(pair.a, link="streaming")
        pair.assert_equal()
        assert pair.status(pair.a)["sync_bytes"] == synced


def full_and_checkpointed(pair, node):
    """Until writers wait for room in a log of which only the peer lacks anything, and the worker has looked at that."""
    def reached():
        status = pair.status(node)
        return (status["deferred"] and status["used_bytes"] > status["ring_bytes"] - (1 << 20) and
                status["destaged"] == status["checkpoint"] == status["head"] and status)
    status = pair.lab.wait(reached, what="a full log, all of it on the volumes")
    return pair.wait(node, seen_ms=at_least(status["seen_ms"] + 3000))


@pytest.mark.parametrize("stage_mib", [4, 32])
def test_nobody_is_given_up_unawares(lab, stage_mib):
    """on-disconnect=block: the peer relies on it that nothing is acknowledged without it. It is not given
    up however full memory, or the log, is; what it claims is true, and suspending does not wait for it."""
    def full(node):
        return full_and_checkpointed(pair, node) if stage_mib > 16 else pair.wait(node, deferred=at_least(1))
    pair = Pair(lab, volumes=1, mode="sync", on_disconnect="block", on_full="detach", log_mib=16, volume_mib=28,
                stage_mib=stage_mib).up()
    pair.wait(pair.a, in_sync=1, alone=0)
    load = Load(pair, pair.a)
    load.run_until(50)
    load.stop()
    lab.cut()
    pair.wait(pair.a, link="waiting")
    synced = pair.status(pair.a)["sync_bytes"]
    flood = pair.a.spawn(f"dd if=/dev/urandom of={pair.device('v0')} bs=1M count=22 seek=5 conv=fsync")
    status = full(pair.a)
    assert status["alone"] == 0 and "peer" in status["reason"], status
    # what is in the log fails, and what waits for memory or room; what comes behind it waits again
    pair.a.run("dmsetup suspend --nolockfs g0-v0", timeout=120)
    assert "peer beta is away" in pair.a.run("dmesg").out
    pair.a.run("dmsetup resume g0-v0")
    again = pair.a.spawn(f"dd if=/dev/urandom of={pair.device('v0')} bs=1M count=11 seek=5 conv=fsync")
    assert full(pair.a)["alone"] == 0 and "detached" not in pair.a.run("dmesg").out
    lab.heal()
    assert flood.wait(120, check=False).rc != 0
    again.wait(120, check=False)
    pair.wait(pair.a, link="streaming", in_sync=1, timeout=180)
    assert pair.status(pair.a)["sync_bytes"] == synced
    lab.cut()
    pair.a.kill()
    result = pair.failover(pair.b)
    assert result.rc == 0 and "every write that was acknowledged is here" in result.err, result.err
    load.check(pair.b, load.done)


def test_sync_quietly_and_crash(lab):
    """A full sync goes on from where it was, also if nothing is written meanwhile."""
    pair = Pair(lab, start_primary="at-once", **SMALL)
    lab.start()
    for volume in pair.volumes:
        fill(pair.a, f"/dev/disk/rig/{volume}", SMALL["volume_mib"])
    pair.create()
    for node in pair.nodes:
        pair.start(node)
    lab.slow(rate_mbit=40)
    pair.a.run("lvrctl promote g0")
    total = pair.wait(pair.a, link="syncing", sync_total_sect=at_least(1))["sync_total_sect"]
    pair.wait(pair.a, sync_done_sect=at_least(total // 4))
    writes = log_writes(pair, pair.a)
    lab.wait(lambda: log_writes(pair, pair.a) > writes, what="a checkpoint")
    lab.cut()
    pair.a.power_cut(6)
    pair.reboot(pair.a)
    assert pair.status(pair.a)["sync_done_sect"] >= total // 4
    lab.heal()
    pair.wait_synced()
    pair.assert_equal()
    assert_same_bytes(pair)
