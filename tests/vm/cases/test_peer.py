"""The peer: sockets that userspace hands in, and peers that hold the key and break every rule."""
import signal

import pytest
from kit import assert_same_bytes, connections, fill, mem_free_kib, refused, settle, threads
from meddled import Meddled, take_back
from pair import SLOW, Load, Pair

# what the meddler does, who has to notice, and what it says then
MEDDLING = (
    ("there hello 1 'forge 104'", "b", "key"),              # the nonce is another one
    ("there auth 1 'forge 0'", "b", "key"),
    ("back auth 1 'forge 0'", "a", "does_not_know_the_key"),
    ("there state 1 'forge 99'", "b", "generations"),       # so many that they cannot be there
    ("there state 1 cut", "b", "closed"),
    ("back state 1 'forge 47'", "a", "never_fall_so"),      # durable beyond its head
    ("back lookup 1 'forge 0'", "a", "looked_up_its_chain"),
    ("there verdict 1 'forge 0'", "b", "verdict_of_kind"),
    ("there chunk 2 'forge 15'", "b", "chunk"),             # the length of its payload
    ("there chunk 2 'flip 56'", "b", "its_frame_says"),
    ("there chunk 2 'forge 56'", "b", "crc"),
    ("there chunk 2 'flip -1'", "b", "payload_hash"),
    ("there chunk 2 huge", "b", "at_most"),
    ("there chunk 2 twice", "b", "expected"),
    ("there chunk 2 lost", "b", "expected"),
    ("there chunk 2 id", "b", "frame_of_connection"),
    ("there chunk 2 cut", "b", "closed"),
    ("there chunk 2 stall", "b", "nothing_heard"),
    ("back ack 3 'forge 7'", "a", "sent_are"),              # far beyond what was sent
    ("back ack 3 'forge 8'", "a", "chain:"),                # the chain there is not ours
    ("back ack 3 twice", "a", "expected"),
    ("back verdict 1 'forge 8'", "a", "asymmetric"),        # another place to stream from
)


def test_every_rule_broken(lab):
    """Each frame that cannot be ends the connection with a reason, and nothing else ends."""
    pair = Meddled(lab, volatile=False, log_mib=512).up()   # nobody waits for the peer
    before = [threads(node) for node in pair.nodes]
    synced = pair.status(pair.a)["sync_bytes"]
    load = Load(pair, pair.a, depth=1, flush_every=1, per_second=SLOW)
    for words, node, reason in MEDDLING:
        pair.through(words)
        lab.wait(lambda: len(pair.meddler.out.splitlines()) > 1, what=words)
        pair.wait(pair.a if node == "a" else pair.b,
                  link_reason=lambda text, reason=reason: reason in str(text))
        load.run_until(5)
        pair.through()
        pair.wait(pair.b, link="streaming")
    for node, count in zip(pair.nodes, before, strict=True):
        pair.wait(node, link="streaming")
        assert threads(node) <= count + 8   # the kernel's own come and go
    assert connections(pair.b, 7794) == 1
    load.run_until(20)
    load.stop()
    settle(pair)
    assert_same_bytes(pair)
    status = pair.status(pair.a)
    assert status["sync_bytes"] == synced and status["state"] == "active"
    load.check(pair.a, load.done)


# a peer with the key that says pings as fast as they go, or takes nothing and says that it lives
FLOODS = ("back ack 2 flood", "there chunk 2 flood", "back ack 2 deaf", "there chunk 2 deaf")
FLOOD_REPORTS = 5       # of a thousand pings each
CONNECTED = ("catching-up", "streaming")
FLOOD_MEM_KIB = 24 << 10    # buffers of sockets, full at both ends, and what else comes and goes
WRITE_KIB = 16
BEHIND = 2 * FLOOD_MEM_KIB // WRITE_KIB     # writes that a deaf peer does not take: half of them exceed that memory
PER_SECOND = 500        # so the log has room for them, and for what is written until the link is back


def test_floods(lab):
    """Whatever a peer with the key pours in or does not take: writes go on, memory and threads are bounded."""
    pair = Meddled(lab, volatile=False, log_mib=256).up()
    synced = pair.status(pair.a)["sync_bytes"]
    load = Load(pair, pair.a, block=WRITE_KIB << 10, blocks=256, per_second=PER_SECOND)
    load.run_until(20)
    before = [(threads(node), mem_free_kib(node)) for node in pair.nodes]
    for words in FLOODS:
        pair.through(words)
        lab.wait(lambda: len(pair.meddler.out.splitlines()) > 1, what=words)
        if words.endswith("flood"):
            lab.wait(lambda: pair.meddler.out.count("flood ") > FLOOD_REPORTS, timeout=120, what=words)
        load.run_until(100)
        if words == "back ack 2 deaf":      # heard, so not lost, and far behind
            load.run_until(BEHIND)
            status = pair.status(pair.a)
            assert status["link"] in CONNECTED and status["lag_records"] > BEHIND // 2, status
        for node, (count, free) in zip(pair.nodes, before, strict=True):
            assert threads(node) <= count + 8, words       # the kernel's own come and go
            assert free - mem_free_kib(node) < FLOOD_MEM_KIB, words
        pair.through()
        pair.wait(pair.a, timeout=120, link=CONNECTED.__contains__)
        load.job.kill(signal.SIGSTOP)       # the link gets through with what it owes
        settle(pair)
        load.job.kill(signal.SIGCONT)
    load.run_until(20)
    load.stop()
    settle(pair)
    assert connections(pair.b, 7794) == 1
    assert_same_bytes(pair)
    assert pair.status(pair.a)["sync_bytes"] == synced
    load.check(pair.a, load.done)


def test_replay(lab):
    """What the true peer said, proof and all, is worth nothing in another connection."""
    pair = Meddled(lab, volatile=False).up()
    load = Load(pair, pair.a, per_second=SLOW)
    for words in ("there auth 1 replay", "there chunk 3 replay"):
        pair.through(words)
        lab.wait(lambda: "closed" in pair.meddler.out, what="the end of the replay")
        # greeted as anybody is, and nothing after that; a reset may overtake the greeting
        assert pair.meddler.out.splitlines()[1] in ("replayed: hello closed", "replayed: closed")
        pair.wait(pair.b, link="streaming")
        connects = pair.status(pair.b)["connects"]
        load.run_until(20)
        assert pair.status(pair.b)["connects"] == connects
    assert connections(pair.b, 7794) == 1
    load.stop()
    pair.assert_equal()


@pytest.mark.smoke
@pytest.mark.parametrize("crash", [False, True], ids=["cut", "crash"])
def test_end_of_a_full_sync_lost(lab, crash):
    """The target has finished, the source never hears of it: settled when they meet again."""
    pair = Meddled(lab, start_primary="at-once")
    lab.start()
    pair.create()
    pair.start(pair.a)
    pair.a.run("lvrctl promote g0")
    pair.wait(pair.a, state="active")
    fill(pair.a, pair.device("v0"), 8, seek_mib=8)
    load = Load(pair, pair.a, per_second=SLOW)
    load.run_until(50)
    pair.through("back done 1 end")
    pair.start(pair.b)
    lab.wait(lambda: pair.meddler.poll() is not None, timeout=120, what="the end of the full sync")
    pair.wait(pair.b, consistent=1, link="waiting")
    status = pair.wait(pair.a, link="waiting")
    assert status["sync_total_sect"] > 0, "the source knows already"
    synced = status["sync_bytes"]
    assert synced >= 8 << 20
    load.run_until(50)
    load.stop()
    if crash:
        pair.a.power_cut(3)
        pair.reboot(pair.a)
        status = pair.wait(pair.a, state="active", link="waiting")
        assert status["sync_total_sect"] > 0
        synced = status["sync_bytes"]   # as of the last checkpoint
    pair.through()
    status = pair.wait(pair.a, link="streaming")
    status = pair.wait(pair.a, link="streaming", state="active")
    assert status["sync_total_sect"] == 0 and status["sync_bytes"] == synced
    pair.wait(pair.b, consistent=1, link="streaming")
    pair.assert_equal()
    assert pair.status(pair.a)["sync_bytes"] == synced
    pair.stop(pair.b)
    load.check(pair.b, load.flushed, pair.raw())


def test_a_hand_over_that_was_taken_back(lab):
    """Once they have met, beta does not take over by what it was handed before, though it has got nothing of what
    came behind it."""
    pair = Meddled(lab).up()
    head = take_back(pair)
    pair.through("there chunk 1 end")
    lab.wait(lambda: pair.meddler.poll() is not None, what="the first chunk")
    assert pair.wait(pair.b, link="waiting")["head"] < head
    refused(pair.b, "lvrctl promote g0", "has not handed over")
    pair.through()
    pair.wait(pair.b, destaged=head)
    pair.a.run("lvrctl promote g0")
    pair.wait_synced()
    settle(pair)
    assert_same_bytes(pair)


def test_an_old_hand_over_is_passed(lab):
    """alpha's hand-over does not arrive, and alpha takes it back by force. Catching up, beta gets it and nothing behind
    it: that is not alpha's last word, after a restart neither."""
    pair = Meddled(lab).up()
    a, b = pair.nodes
    settle(pair)
    pair.through("there chunk 1 stall")
    pair.wait(a, link="streaming")
    refused(a, "lvrctl demote g0 --timeout 1", "not reached in time")
    head = pair.status(a)["head"]
    a.run("lvrctl disconnect g0 && lvrctl promote g0 --force")
    assert pair.status(b)["head"] == head - 1
    fill(a, pair.device("v0"), 1)
    pair.through("there chunk 2 end")
    lab.wait(lambda: pair.meddler.poll() is not None, what="the second chunk")
    pair.wait(b, link="waiting", head=head, durable=head)
    refused(b, "lvrctl promote g0", "has not handed over")
    b.kill()
    pair.reboot(b)
    assert pair.wait(b, state="standby")["head"] == head
    refused(b, "lvrctl promote g0", "has not handed over")
    pair.through()
    pair.wait_synced()
    settle(pair)
    assert_same_bytes(pair)


def test_what_was_acknowledged_alone_is_told_before_a_hand_over(lab):
    """alpha has written without beta, and hands over as soon as it has beta's verdict; of alpha's own beta gets none.
    A takeover at beta does not claim that it has everything."""
    pair = Meddled(lab, mode="sync", on_disconnect="block").up()
    a, b = pair.nodes
    pair.wait(a, in_sync=1)
    pair.wait(b, alone=0)
    a.run("lvrctl demote g0")
    a.run("lvrctl disconnect g0 && lvrctl promote g0 --force")
    fill(a, pair.device("v0"), 1)
    pair.through("there verdict 1 stall")
    pair.wait(a, link="catching-up")
    refused(a, "lvrctl demote g0 --timeout 1", "not reached in time")
    pair.through("there verdict 1 end")
    lab.wait(lambda: pair.meddler.poll() is not None, what="the verdict")
    result = pair.failover(b)
    assert result.rc == 10 and "may be lost" in result.err, result.err


# what cannot be used, and why
NO_SOCKETS = (
    ("hand idle 0.0.0.0 0", 3, "not connected"),
    ("hand listen 0.0.0.0 7910", 3, "not connected"),
    ("hand udp 10.77.0.2 7794", 3, "not TCP"),
    ("hand unix 0.0.0.0 0", 3, "not TCP"),
    ("", "0 </dev/null", "no socket"),
    ("", 77, "no socket"),
)


def test_no_sockets(lab):
    """What is no connected TCP socket is refused, and says why; the link goes on."""
    pair = Pair(lab, volumes=1, volatile=False).up()
    connects = pair.status(pair.a)["connects"]
    for hand, fd, words in NO_SOCKETS:
        refused(pair.a, f"{hand} dmsetup message g0 0 socket {fd}")
        reason = pair.a.run("dmsetup message g0 0 reason").out
        assert words in reason, f"{hand} {fd}: {words!r} is not in {reason}"
    pair.a.run("lvrctl disconnect g0")
    pair.wait(pair.a, link="standalone")
    refused(pair.a, f"hand connect {pair.b.address} 7794 dmsetup message g0 0 socket 3")
    assert "connect it first" in pair.a.run("dmsetup message g0 0 reason").out
    pair.a.run("lvrctl connect g0")
    pair.wait(pair.a, link="streaming", connects=connects + 1)


def sockets_only(node):
    """The group's table without connect and listen."""
    words = node.run("dmsetup table g0").out.split()
    kept = [word for word in words[5:] if not word.startswith(("connect=", "listen="))]
    assert len(kept) == len(words) - 6
    node.run(f"echo '{' '.join(words[:4])} {len(kept)} {' '.join(kept)}' | dmsetup reload g0 && "
             "dmsetup suspend --noflush g0 && dmsetup resume g0")


def hand_in(pair, port, there="dmsetup message g0 0 socket 3"):
    """A process at each node makes a connection with the other, and hands its end in."""
    job = pair.b.spawn(f"hand accept {pair.b.address} {port} {there}")
    pair.lab.wait(lambda: pair.b.run(f"ss -Hltn sport = :{port}").out, what="a listening socket")
    pair.a.run(f"hand connect {pair.b.address} {port} dmsetup message g0 0 socket 3")
    return job


@pytest.mark.smoke
def test_sockets_handed_in(lab):
    """Without connect and listen, over sockets of userspace: a first one, a newer one, a lost one."""
    pair = Pair(lab, volatile=False).up()
    load = Load(pair, pair.a, per_second=SLOW)
    load.run_until(20)
    for node in pair.nodes:
        sockets_only(node)
    for node in pair.nodes:
        pair.wait(node, link="waiting")
    load.run_until(50)
    connects = pair.status(pair.a)["connects"]
    hand_in(pair, 7901).wait()
    pair.wait(pair.a, link="streaming", connects=connects + 1)
    load.run_until(50)

    # a newer one takes its place
    hand_in(pair, 7902).wait()
    pair.wait(pair.a, link="streaming", connects=connects + 2)
    load.run_until(50)

    # one whose other end says nothing gets a hello, is given up, and changes nothing
    silent = hand_in(pair, 7903, there="sh -c 'wc -c <&3'")
    assert int(silent.wait().out) == 64 + 152
    load.run_until(20)
    status = pair.status(pair.a)
    assert status["link"] == "streaming" and status["connects"] == connects + 2

    # a lost one is not made again by anybody but userspace
    lab.cut()
    for node in pair.nodes:
        pair.wait(node, link="waiting")
    load.run_until(50)
    lab.heal()
    hand_in(pair, 7904).wait()
    pair.wait(pair.a, link="streaming", connects=connects + 3)
    assert connections(pair.b, 7904) == 1
    load.run_until(20)
    load.stop()
    pair.assert_equal()
    assert_same_bytes(pair)
    pair.stop(pair.b)
    load.check(pair.b, load.done, pair.raw())
