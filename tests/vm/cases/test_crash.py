"""Crashes on volatile disks: what was promised is there, and the volumes are one prefix."""
import pytest
from kit import at_least
from pair import SLOW, Load, Pair


def recovered(pair, node, load, promised):
    """After a reboot with its group active again: through the volumes, and on the raw origins."""
    load.check(node, promised)
    pair.stop(node)
    load.check(node, promised, pair.raw())


@pytest.mark.parametrize("seed, shape", [
    pytest.param(1, {}, marks=pytest.mark.smoke), (2, {}), pytest.param(3, {}, marks=pytest.mark.long),
    (4, dict(depth=1, flush_every=1))], ids=["1", "2", "3", "flushed"])
def test_primary_alone_recovers(lab, seed, shape):
    """A primary without its peer is cut off, confirmed by its configuration, twice in a row."""
    pair = Pair(lab, start_primary="at-once")
    lab.start()
    pair.create()
    pair.start(pair.a)
    pair.a.run("lvrctl promote g0")
    load = Load(pair, pair.a, seed=seed, **shape)
    load.run_until(300)
    pair.wait(pair.a, destaged=at_least(100))
    load.run_until(100)
    pair.a.power_cut(seed)
    promised = load.flushed
    assert promised > 0
    pair.reboot(pair.a)
    pair.wait(pair.a, state="active")
    load.check(pair.a, promised)
    # cut again while nothing is written: recovery itself is repeated
    pair.a.power_cut(seed + 100)
    pair.reboot(pair.a)
    pair.wait(pair.a, state="active")
    recovered(pair, pair.a, load, promised)


def test_primary_crash_confirmed_by_peer(lab):
    """I/O is held until the peer confirms; what the peer holds beyond the recovered tail comes back."""
    pair = Pair(lab, mode="sync").up()
    pair.wait(pair.a, in_sync=1)
    load = Load(pair, pair.a)
    load.run_until(300)
    pair.a.power_cut(7, policy="drop")
    # everything acknowledged is durable at the peer, even what the primary's cache lost
    promised = load.done
    pair.reboot(pair.a)
    pair.wait(pair.a, state="active", link="streaming")
    load.check(pair.a, promised)
    pair.assert_equal()


def test_primary_crash_unconfirmed(lab):
    """Without a peer the recovered primary holds I/O, takes no decision, and the operator may."""
    pair = Pair(lab).up()
    load = Load(pair, pair.a)
    load.run_until(200)
    pair.b.kill()
    pair.a.power_cut(3)
    promised = load.flushed
    pair.reboot(pair.a)
    pair.wait(pair.a, state="unconfirmed")
    held = pair.a.spawn(f"dd if={pair.device('v0')} of=/dev/null bs=4096 count=1 iflag=direct")
    pair.wait(pair.a, deferred=at_least(1))
    assert held.poll() is None
    pair.a.run("lvrctl promote g0 --force")
    held.wait(timeout=30)
    load.check(pair.a, promised)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_secondary_crash(lab, mode):
    """The secondary is cut off under load, recovers by the same replay, and catches up."""
    pair = Pair(lab, mode=mode).up()
    load = Load(pair, pair.a, per_second=SLOW)
    load.run_until(200)
    pair.b.power_cut(11)
    load.run_until(100)     # the primary goes on
    pair.b.start()
    # as the crash left it, replayed: one prefix on its raw volumes
    pair.configure(pair.b)
    pair.b.run("lvrctl start g0")
    pair.wait(pair.b, link="streaming")
    load.run_until(100)
    load.stop()
    pair.assert_equal()
    pair.stop(pair.b)
    load.check(pair.b, load.done, pair.raw())


def test_secondary_replay_is_a_prefix(lab):
    """A secondary that lost power and never meets its primary again is a prefix, across volumes."""
    pair = Pair(lab).up()
    before = pair.status(pair.a)["head"]
    load = Load(pair, pair.a)
    load.run_until(300)
    # it replays what it was allowed to destage, which it does when it likes
    pair.wait(pair.b, destaged=at_least(before + 20))
    pair.b.power_cut(13)
    pair.a.kill()
    pair.reboot(pair.b)
    pair.wait(pair.b, state="standby")
    pair.stop(pair.b)
    assert load.check(pair.b, 0, pair.raw()) > 0


def test_both_crash(lab):
    """Both lose power at once, with their caches; the old primary is confirmed and serves on."""
    pair = Pair(lab, mode="sync").up()
    pair.wait(pair.a, in_sync=1)
    for seed in (21, 22):
        load = Load(pair, pair.a, seed=seed)
        load.run_until(200)
        pair.a.power_cut(seed)
        pair.b.power_cut(seed)
        promised = load.flushed
        pair.b.start()
        pair.start(pair.b)
        pair.reboot(pair.a)
        pair.wait(pair.a, state="active", link="streaming")
        load.check(pair.a, promised)
        pair.assert_equal()
        pair.a.run(f"for d in {pair.devices()}; do dd if=/dev/zero of=$d bs=1M count=4 oflag=direct; done")


def test_crash_during_initial_sync(lab):
    """The target, then the source lose power while the volumes are synchronised under load."""
    pair = Pair(lab, volume_mib=48, start_primary="confirm")
    lab.start()
    pair.create()
    pair.a.run("for d in " + pair.raw() + "; do dd if=/dev/urandom of=$d bs=1M count=32 seek=8 "
               "oflag=direct conv=notrunc 2>/dev/null; done")
    lab.slow(rate_mbit=100)
    for node in pair.nodes:
        pair.start(node)
    pair.a.run("lvrctl promote g0")
    load = Load(pair, pair.a)
    pair.wait(pair.a, sync_done_sect=at_least(10000))
    pair.b.power_cut(31)
    assert load.job.poll() is None
    pair.reboot(pair.b)
    assert pair.status(pair.b)["consistent"] == 0
    refused = pair.b.run("lvrctl promote g0", check=False)
    assert refused.rc == 4, refused.err
    pair.wait(pair.a, sync_done_sect=at_least(20000))
    pair.a.power_cut(32)
    promised = load.flushed
    pair.reboot(pair.a)
    pair.wait(pair.a, state="active")
    lab.heal()
    pair.wait(pair.b, consistent=1, link="streaming", timeout=200)
    load.check(pair.a, promised)
    pair.assert_equal()
