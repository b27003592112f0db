"""Takeover by force, and the return of the old primary."""
import pytest
from pair import SLOW, Load, Pair


@pytest.mark.parametrize("depth", [1, 8])
def test_takeover_sync_loses_nothing(lab, depth):
    """mode=sync: every acknowledged write is at the survivor, durably: both machines lose power with
    all that their caches hold, and one comes back."""
    pair = Pair(lab, mode="sync").up()
    pair.wait(pair.a, in_sync=1)
    load = Load(pair, pair.a, depth=depth)
    load.run_until(400)
    pair.a.power_cut(1, policy="drop")
    promised = load.done
    pair.b.power_cut(2, policy="drop")
    assert promised >= 400
    pair.reboot(pair.b)
    refused = pair.b.run("lvrctl promote g0", check=False)
    assert refused.rc == 4, refused.err
    result = pair.failover(pair.b)
    assert "alpha was heard last" in result.err, result.err     # before this start
    load.check(pair.b, promised)


def test_block_loses_nothing_to_a_partition(lab):
    """on-disconnect=block: a primary that is cut off acknowledges nothing that the survivor lacks. The
    survivor of a takeover serves alone, says so, and is bound again once the other is in sync."""
    pair = Pair(lab, mode="sync", on_disconnect="block").up()
    pair.wait(pair.a, in_sync=1, alone=0)
    pair.wait(pair.b, alone=0, link="streaming", consistent=1)
    load = Load(pair, pair.a)
    load.run_until(200)
    lab.cut()
    pair.wait(pair.a, link="waiting", reason="writers_wait_for_peer_beta")
    head = pair.status(pair.a)["head"]
    held = pair.a.spawn(f"dd if=/dev/zero of={pair.device('v1')} bs=4k seek=3000 count=1 oflag=direct")
    pair.wait(pair.a, head=head + 1)        # in the log of a node that is superseded: an orphan
    result = pair.failover(pair.b)
    assert result.rc == 0 and "every write that was acknowledged is here" in result.err, result.err
    assert pair.status(pair.a)["state"] == "active"
    load.check(pair.b, load.done)       # of a primary that lives, and still has its application
    assert held.poll() is None
    assert pair.status(pair.b)["alone"] == 1
    survivor = Load(pair, pair.b, seed=2, per_second=SLOW)
    survivor.run_until(50)

    pair.a.kill()
    lab.heal()
    pair.reboot(pair.a)
    pair.wait(pair.a, link="refused", role="secondary", alone=1)
    refused = pair.a.run("lvrctl failover g0", check=False)
    assert refused.rc != 0 and "every write that was acknowledged is here" not in refused.err
    pair.a.run("lvrctl connect g0 --discard")
    pair.wait(pair.a, consistent=1, link="streaming", alone=0, timeout=120)
    pair.wait(pair.b, in_sync=1, alone=0)
    survivor.run_until(50)
    lab.cut()
    pair.wait(pair.b, link="waiting", reason="writers_wait_for_peer_alpha")
    lab.heal()
    pair.wait(pair.b, in_sync=1)
    survivor.run_until(50)

    # the source of a full synchronisation will go on alone in its midst: its target claims nothing from the start
    lab.slow(rate_mbit=20)
    pair.a.run("lvrctl connect g0 --discard")
    pair.wait(pair.a, link="syncing", consistent=0, alone=1)
    pair.wait(pair.b, alone=1)
    lab.heal()
    pair.wait(pair.a, consistent=1, link="streaming", alone=0, timeout=180)
    pair.wait(pair.b, in_sync=1, alone=0)
    survivor.run_until(50)
    survivor.stop()
    pair.assert_equal()
    # who was primary does not know how the next one goes on, until it says so
    pair.b.run("lvrctl demote g0")
    assert pair.status(pair.b)["alone"] == 1
    pair.a.run("lvrctl promote g0")
    pair.wait(pair.a, in_sync=1, alone=0)
    pair.wait(pair.b, link="streaming", alone=0)


@pytest.mark.smoke
def test_takeover_async_is_a_prefix_and_says_so(lab):
    """mode=async: a prefix; lvrctl says what may be lost and does not claim zero loss."""
    pair = Pair(lab).up()
    load = Load(pair, pair.a)
    lab.slow(delay_ms=20, rate_mbit=20)
    load.run_until(300)
    pair.a.kill()
    lab.heal()
    result = pair.failover(pair.b)
    assert result.rc == 10, result.out + result.err
    assert "since then is unknown" in result.err and "may be lost" in result.err
    assert load.check(pair.b, 0) > 0


def test_takeover_of_more_than_memory_holds(lab):
    """beta's volumes are suspended, and what came first has left its memory, for smaller records. The takeover ends
    once the volumes are back: it reads what it brings to them, for which what is in memory has to give way."""
    pair = Pair(lab).up()
    b = pair.b
    b.run("for v in g0-v0 g0-v1; do dmsetup suspend --noflush --nolockfs $v; done")
    # destage tries again and again, and leaves room for the first record: a small one
    pair.a.run(f"dd if=/dev/zero of={pair.device('v1')} bs=4k seek=5000 count=1 oflag=direct conv=notrunc 2>/dev/null")
    loads = [Load(pair, pair.a, depth=1, block=65536, blocks=256, devices=pair.device("v0"))]
    loads[0].run_until(100)
    loads[0].stop()
    loads.append(Load(pair, pair.a, depth=1, block=32768, blocks=512, devices=pair.device("v1")))
    loads[1].run_until(400)
    loads[1].stop()
    head = pair.status(pair.a)["head"]
    pair.wait(b, head=head)
    pair.a.kill()
    pair.wait(b, link="waiting")
    takeover = b.spawn("lvrctl failover g0 --force")
    pair.wait(b, state="promoting")
    b.run("for v in g0-v0 g0-v1; do dmsetup resume $v; done", timeout=60)
    assert takeover.wait(60, check=False).rc in (0, 10), takeover.err
    pair.wait(b, state="active", destaged=lambda seq: seq >= head)
    for load in loads:
        load.check(b, load.done, load.devices)


def old_primary_returns(lab, pair, load):
    """After a takeover: superseded, refuses I/O though its application starts at once, discarded, synced."""
    pair.reboot(pair.a)
    writer = pair.a.spawn(f"dd if=/dev/zero of={pair.device('v0')} bs=4096 count=1 oflag=direct")
    status = pair.wait(pair.a, role="secondary", state="standby")
    assert writer.wait(timeout=30, check=False).rc != 0
    status = pair.wait(pair.a, link="refused")
    assert status["orphan_records"] > 0 and status["orphan_bytes"] > 0
    assert status["reason"] == "superseded_by_a_takeover" and "orphans" in status["link_reason"]
    assert pair.status(pair.b)["role"] == "primary"
    # not without the operator's word
    refused = pair.a.run("lvrctl promote g0", check=False)
    assert refused.rc in (4, 9), refused.err
    pair.a.run("lvrctl connect g0 --discard")
    status = pair.wait(pair.a, consistent=1, link="streaming", timeout=120)
    assert status["reason"] == "full_synchronisation_is_complete"
    pair.wait(pair.b, link="streaming")
    pair.assert_equal()
    pair.stop(pair.a)
    assert load.check(pair.a, 0, pair.raw()) > 0


def test_old_primary_returns_with_orphans(lab):
    pair = Pair(lab).up()
    load = Load(pair, pair.a)
    load.run_until(100)
    lab.cut()
    load.run_until(100)     # these reach beta never
    pair.a.power_cut(5)
    lab.heal()
    pair.failover(pair.b)
    # what the survivor writes from now on is what both end up with
    pair.b.run(f"for d in {pair.devices()}; do dd if=/dev/zero of=$d bs=1M count=4 oflag=direct "
               "2>/dev/null; done")
    load = Load(pair, pair.b, seed=10)
    load.run_until(100)
    load.stop()
    old_primary_returns(lab, pair, load)


def test_old_primary_without_orphans_just_follows(lab):
    """Nothing was written past the fork: it streams on, no full sync."""
    pair = Pair(lab, mode="sync").up()
    pair.wait(pair.a, in_sync=1)
    load = Load(pair, pair.a)
    load.run_until(100)
    load.stop()
    status = pair.status(pair.a)
    pair.wait(pair.b, head=status["head"], durable=status["head"])
    pair.a.kill()
    pair.failover(pair.b)
    synced = pair.status(pair.b)["sync_bytes"]
    pair.reboot(pair.a)
    pair.wait(pair.a, role="secondary", link="streaming", consistent=1)
    pair.assert_equal()
    assert pair.status(pair.b)["sync_bytes"] == synced


def test_partitioned_primary_and_takeover(lab):
    """Both are primary behind a cut link: refused when it heals, both keep their data, one is discarded."""
    pair = Pair(lab).up()
    load = Load(pair, pair.a, per_second=SLOW)
    load.run_until(100)
    lab.cut()
    pair.failover(pair.b)
    pair.b.run(f"dd if=/dev/urandom of={pair.device('v0')} bs=4096 count=8 seek=2000 oflag=direct")
    load.run_until(50)
    lab.heal()
    pair.wait(pair.a, link="refused", link_reason=lambda r: "both" in r)
    load.run_until(50)      # no side stops serving
    load.stop()
    assert pair.a.run("lvrctl status g0 --check", check=False).rc == 9
    assert pair.a.run("lvrctl demote g0", check=False).rc == 7     # done; nobody took the hand-over
    pair.wait(pair.a, role="secondary", state="standby", link="refused")
    pair.a.run("lvrctl connect g0 --discard")
    pair.wait(pair.a, consistent=1, link="streaming", timeout=120)
    pair.assert_equal()


@pytest.mark.long
def test_repeated_takeovers(lab):
    """Roles swap by force three times, each survivor's data is what counts, history grows and holds."""
    pair = Pair(lab, mode="sync").up()
    primary, other = pair.a, pair.b
    for round_ in range(3):
        pair.wait(primary, in_sync=1)
        load = Load(pair, primary, seed=50 + round_)
        load.run_until(150)
        primary.power_cut(60 + round_)
        promised = load.done
        pair.failover(other)
        load.check(other, promised)
        pair.reboot(primary)
        status = pair.wait(primary, role="secondary", link=lambda s: s in ("refused", "streaming"))
        if status["link"] == "refused":
            assert status["orphan_records"] > 0
            primary.run("lvrctl connect g0 --discard")
        pair.wait(primary, consistent=1, link="streaming", timeout=120)
        pair.assert_equal()
        other.run(f"for d in {pair.devices()}; do dd if=/dev/zero of=$d bs=1M count=4 oflag=direct; done")
        primary, other = other, primary
