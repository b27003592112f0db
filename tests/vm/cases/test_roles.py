"""What a change of roles leaves behind: in the superblock, in the log, in what may be destaged."""
import pytest
from kit import at_least, refused
from pair import Load, Pair
from soft import SoftPair


def test_handover_outlives_checkpoints_and_restarts(lab):
    """The member it names becomes primary without force, long after its record has left the log."""
    pair = Pair(lab, start_primary="confirm").up()
    load = Load(pair, pair.a)
    load.run_until(50)
    load.stop()
    pair.a.run("lvrctl demote g0")
    head = pair.status(pair.a)["head"]
    for node in pair.nodes:
        pair.wait(node, head=head, checkpoint=head)
    for stop in (pair.stop, lambda node: node.power_cut(3)):
        for node in pair.nodes:
            stop(node)
        for node in pair.nodes:
            if not node.running:
                node.start()
            pair.start(node)
            pair.wait(node, state="standby")
        refused = pair.a.run("lvrctl promote g0", check=False)
        assert refused.rc == 4, refused.out + refused.err
    pair.b.run("lvrctl promote g0")
    pair.wait(pair.b, state="active", link="streaming")
    load.check(pair.b, load.done)
    assert pair.status(pair.b)["sync_bytes"] == 0
    pair.assert_equal()


def test_a_takeover_ends_the_hand_over_to_oneself(lab):
    """One that was demoted while no peer was there may be promoted again without force, until it has
    heard that the peer took over meanwhile; from then on not, over a restart neither."""
    pair = Pair(lab).up()
    lab.cut()
    pair.wait(pair.a, link="waiting")
    assert pair.a.run("lvrctl demote g0", check=False).rc == 7
    pair.wait(pair.a, state="standby", handover=0)
    assert pair.failover(pair.b).rc == 10
    lab.heal()
    pair.wait(pair.a, link="refused", handover="-")
    lab.cut()
    refused(pair.a, "lvrctl promote g0", "has not handed over")
    pair.stop(pair.a)
    pair.start(pair.a)
    pair.wait(pair.a, state="standby", handover="-")
    refused(pair.a, "lvrctl promote g0", "has not handed over")
    assert pair.status(pair.a)["role"] == "secondary"


def test_a_hand_over_is_taken_back(lab):
    """The old primary takes by force what it had handed over; its peer, which holds the hand-over, is not
    promoted without force any more once they have met."""
    pair = Pair(lab).up()
    pair.a.run("lvrctl demote g0")
    pair.wait(pair.b, state="standby", handover=1, durable=pair.status(pair.a)["head"])
    lab.cut()
    pair.wait(pair.a, link="waiting")
    pair.a.run("lvrctl promote g0 --force")
    pair.wait(pair.a, state="active")
    lab.heal()
    pair.wait(pair.b, link="streaming", handover="-")
    lab.cut()
    pair.wait(pair.b, link="waiting")
    refused(pair.b, "lvrctl promote g0", "has not handed over")


def test_switch_over_pins_no_log(lab):
    """After roles have changed each node's log goes round: what a node wrote itself before, and what it
    received, is freed in both roles."""
    pair = Pair(lab, log_mib=16, volume_mib=16, stage_mib=4, on_full="block").up()
    primary, other = pair.a, pair.b
    for _ in range(2):
        for seek in range(3):
            primary.run(f"dd if=/dev/urandom of={pair.device('v0')} bs=1M count=12 seek={seek} oflag=direct "
                        "conv=notrunc 2>/dev/null", timeout=120)
        primary.run("lvrctl demote g0")
        other.run("lvrctl promote g0")
        primary, other = other, primary
        pair.wait(primary, state="active", link="streaming")
    ring_bytes = pair.status(primary)["ring_bytes"]
    for node in pair.nodes:
        pair.wait(node, used_bytes=lambda used: used < ring_bytes / 4)
    pair.assert_equal()


def test_a_lost_tail_is_taken_back(lab):
    """A primary that lost what it had not flushed goes on without it: the peer, which holds it, has
    destaged nothing of it, drops it from its log, and follows without a full sync."""
    pair = SoftPair(lab, start_primary="at-once").up()
    load = Load(pair, pair.a, flush_every=10 ** 6)
    load.run_until(100)
    pair.swap(pair.a, "log", "delay")
    load.run_until(100)
    lab.wait(lambda: pair.status(pair.b)["head"] > pair.status(pair.a)["durable"] + 30,
             what="the peer to be ahead of the flush")
    pair.a.power_cut(1, policy="drop")      # at once: the flush under way will end
    lab.cut()
    ahead = pair.status(pair.b)["head"]
    pair.reboot(pair.a)
    pair.wait(pair.a, state="active")
    assert pair.status(pair.a)["head"] < ahead - 20
    assert load.check(pair.a, 0) > 0
    pair.a.run(f"dd if=/dev/urandom of={pair.device('v1')} bs=4k count=8 seek=3000 oflag=direct 2>/dev/null")
    pair.wait(pair.b, link="waiting")
    lab.heal()
    pair.wait(pair.b, link="streaming", consistent=1)
    assert "log truncated to" in pair.b.run("dmesg").out
    pair.assert_equal()
    assert pair.status(pair.a)["sync_bytes"] == 0
    pair.stop(pair.b)
    assert load.check(pair.b, 0, pair.raw()) > 0


def test_demoted_with_a_failing_origin(lab):
    """What was staged for an origin that refuses it is no longer read from memory by a secondary, and is
    on the volume when the roles are back."""
    pair = SoftPair(lab, stage_mib=4).up()
    pair.a.run(f"dd if=/dev/urandom of={pair.device('v1')} bs=1M count=2 oflag=direct 2>/dev/null")
    pair.swap(pair.a, "v0", "error")
    pair.a.run(f"dd if=/dev/urandom of={pair.device('v0')} bs=512k count=1 oflag=direct 2>/dev/null")
    pair.a.run("dmsetup message g0 0 demote")
    pair.wait(pair.a, state="standby")
    pair.b.run("lvrctl promote g0")
    pair.wait(pair.b, state="active", link="streaming")
    # more than fits in memory, so that every staged piece has to go
    pair.b.run(f"dd if=/dev/urandom of={pair.device('v1')} bs=1M count=12 oflag=direct 2>/dev/null")
    pair.swap(pair.a, "v0", "linear")
    pair.b.run(f"dd if=/dev/urandom of={pair.device('v0')} bs=64k count=2 oflag=direct 2>/dev/null")
    pair.assert_equal()
    pair.b.run("lvrctl demote g0")
    pair.a.run("lvrctl promote g0")
    pair.wait(pair.a, state="active")
    volumes = pair.a.run(f"for d in {pair.devices()}; do dd if=$d bs=1M iflag=direct 2>/dev/null | md5sum; "
                         "done").out.split()[::2]
    assert volumes == pair.digests(pair.a)
    pair.assert_equal()


@pytest.mark.long
def test_a_full_history(lab):
    """More changes of the primary than a history holds, while the peer is away: the node goes on,
    recovers, and the peer comes back by a full sync once it is discarded."""
    pair = Pair(lab, volumes=1, start_primary="at-once").up()
    lab.cut()
    pair.wait(pair.a, link="waiting")
    pair.a.run("""for i in $(seq 135); do
            for to in demote:standby promote:active; do
                dmsetup message g0 0 ${to%:*} force 2>/dev/null || dmsetup message g0 0 ${to%:*} || exit 1
                until dmsetup status g0 | grep -q " state=${to#*:} "; do :; done
            done
        done""", timeout=300)
    load = Load(pair, pair.a)
    load.run_until(50)
    load.stop()
    pair.a.power_cut(4)
    pair.reboot(pair.a)
    pair.wait(pair.a, state="active")
    load.check(pair.a, load.flushed)
    lab.heal()
    pair.wait(pair.b, link="refused")
    pair.b.run("lvrctl connect g0 --discard")
    pair.wait(pair.b, link="streaming", consistent=1)
    pair.assert_equal()


def flushes_are_awaited(lab, pair, source, target):
    """The target destages nothing that the source has not called durable. Its log's flush is slow, so
    that there is much of that; what is compared only rises, so the order of looking makes it sound."""
    pair.swap(source, "log", "delay")
    head = pair.status(source)["head"]
    source.run(f"dd if=/dev/urandom of={pair.device('v0')} bs=4k count=24 oflag=direct 2>/dev/null")
    written = at_least(head + 24)
    early = 0

    def durable():
        nonlocal early
        seen = pair.status(target)
        durable = pair.status(source)["durable"]
        assert seen["destaged"] <= durable, f"destaged {seen['destaged']}, durable {durable}: {seen}"
        early += seen["head"] > durable
        return written(seen["destaged"])

    lab.wait(durable, what="the target to destage")
    assert early > 3, "the target was never ahead of the source's flush"
    pair.swap(source, "log", "linear")


def test_destage_waits_for_the_primarys_flush(lab):
    """Also after a takeover by a node that lagged: what the old primary called durable beyond the fork
    says nothing about what comes in its place."""
    pair = SoftPair(lab).up()
    flushes_are_awaited(lab, pair, pair.a, pair.b)
    lab.slow(rate_mbit=1)
    load = Load(pair, pair.a)
    load.run_until(200)
    pair.wait(pair.b, head=at_least(1), peer_durable=at_least(1))
    lab.wait(lambda: (lambda s: s["peer_durable"] > s["head"] + 60)(pair.status(pair.b)),
             what="the target to know of much that it lacks")
    lab.cut()
    pair.a.kill()
    pair.failover(pair.b)
    fork = pair.status(pair.b)["head"]
    lab.heal()
    pair.reboot(pair.a)
    pair.wait(pair.a, link="refused")
    pair.a.run("lvrctl connect g0 --discard")
    pair.wait(pair.a, consistent=1, link="streaming", timeout=120)
    pair.b.run("lvrctl demote g0")
    pair.a.run("lvrctl promote g0")
    pair.wait(pair.a, state="active", link="streaming")
    assert pair.status(pair.a)["head"] < fork + 20
    flushes_are_awaited(lab, pair, pair.a, pair.b)
