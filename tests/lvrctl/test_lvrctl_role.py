"""promote, failover, demote, connect, disconnect: what is sent, awaited, refused and told."""
import fcntl

import pytest
from conftest import LOOKS, PRIMARY, is_asleep

TABLE = "240:1 {n} group=db member=0 peer=1 connect=10.0.0.2:7794"
ASYNC = TABLE.format(n=4)
SYNC = TABLE.format(n=5) + " mode=sync"
SYNC_BLOCK = TABLE.format(n=6) + " mode=sync on-disconnect=block"


def refuse(box, message, errno, reason):
    box.fake(f"refuse/{message}", str(errno))
    box.fake("reason", reason)


@pytest.mark.parametrize("verb", ("promote", "failover", "demote", "connect", "disconnect"))
def test_not_started(box, verb):
    box.conf()
    result = box.run(verb, "db")
    assert result.rc == 4 and "group db is not started" in result.err
    assert box.done() == []


# -------------------------------------------------------------------- promote


def test_promote(box):
    box.loaded()
    box.status("after/promote", **PRIMARY)
    result = box.run("promote", "db")
    assert result.rc == 0 and "group db: primary, active" in result.err and not result.out
    assert box.done() == ["message db promote"] and box.looks() == LOOKS


def test_promote_force(box):
    box.loaded()
    box.status("after/promote_force", **PRIMARY)
    assert box.run("promote", "db", "--force").rc == 0
    assert box.done() == ["message db promote force"] and box.looks() == LOOKS


def test_promote_waits(box, until):
    box.loaded()
    box.status("after/promote", role="primary", state="promoting", destaged=10)
    with box.start("promote", "db") as command:
        until(lambda: "promote" in (box.path / "fake/log").read_text())
        assert command.poll() is None and box.looks() == []
        box.status(**PRIMARY)
        assert command.wait(10) == 0
    assert box.looks() == LOOKS


def test_promote_again(box):
    box.loaded(**PRIMARY)
    result = box.run("promote", "db")
    assert result.rc == 0 and "primary already" in result.err
    assert box.done() == []


@pytest.mark.parametrize("errno", (1, 16, 22))
def test_promote_refused(box, errno):
    box.loaded()
    refuse(box, "promote", errno, "the primary has not handed over to this member")
    result = box.run("promote", "db")
    assert result.rc == 4 and "the primary has not handed over to this member" in result.err
    assert box.done() == ["message db promote"]


def test_promote_refused_without_words(box):
    box.loaded()
    box.fake("refuse/promote", "1")
    result = box.run("promote", "db")
    assert result.rc == 4 and "Operation not permitted" in result.err


def test_promote_io_error(box):
    box.loaded()
    refuse(box, "promote", 5, "the log device failed")
    assert box.run("promote", "db").rc == 6


def test_promote_fails_later(box):
    box.loaded()
    box.status("after/promote", state="failed", reason="log_device_error")
    result = box.run("promote", "db")
    assert result.rc == 6 and "log_device_error" in result.err


def test_promote_times_out(box):
    box.loaded()
    box.status("after/promote", role="primary", state="promoting")
    result = box.run("promote", "db", "--timeout", "0.1")
    assert result.rc == 8 and "now primary, promoting" in result.err


def test_promote_stopped_meanwhile(box, until):
    box.loaded()
    with box.start("promote", "db") as command:
        until(lambda: "promote" in (box.path / "fake/log").read_text())
        box.unfake("dev/db")
        assert command.wait(10) == 4


# ------------------------------------------------------------------- failover


def test_failover_without_force(box):
    """Nothing is done, all is told."""
    box.loaded(ASYNC, link="waiting", head=100, peer_head=107, seen_ms=12345)
    refuse(box, "promote", 1, "the primary has not handed over to this member")
    result = box.run("failover", "db")
    assert result.rc == 4
    for text in ("all records up to 100", "beta had announced records up to 107: 7 of them are not here",
                 "heard last 12.3 s ago; what it wrote since then is unknown", "may be lost",
                 "no take-over without --force: the primary has not handed over"):
        assert text in result.err, result
    assert box.done() == ["message db promote"]


def test_failover_force(box):
    box.loaded(ASYNC, link="waiting")
    refuse(box, "promote", 1, "no")
    box.status("after/promote_force", **PRIMARY)
    result = box.run("failover", "db", "--force")
    assert result.rc == 10 and "may be lost" in result.err and "announced nothing beyond" in result.err
    assert box.done() == ["message db promote", "message db promote force"] and box.looks() == LOOKS


def test_failover_after_a_hand_over(box):
    box.loaded(ASYNC)
    box.status("after/promote", **PRIMARY)
    result = box.run("failover", "db")
    assert result.rc == 0 and "nothing is lost" in result.err
    assert box.done() == ["message db promote"] and box.looks() == LOOKS


SURE = dict(role="secondary", state="standby", consistent=1, alone=0)


@pytest.mark.parametrize("table", (ASYNC, SYNC, SYNC_BLOCK))
@pytest.mark.parametrize("unlike", (
    {}, dict(alone=1), dict(alone="-"), dict(consistent=0), dict(role="primary", state="unconfirmed")))
def test_zero_loss_is_claimed_only_if_the_primary_said_so(box, table, unlike):
    """This node's own settings say nothing of what its primary did."""
    fields = dict(SURE, **unlike)
    box.loaded(table, link="waiting", **fields)
    refuse(box, "promote", 1, "no")
    box.status("after/promote_force", **dict(fields, **PRIMARY))
    result = box.run("failover", "db", "--force")
    claimed = "every write that was acknowledged is here" in result.err
    assert claimed == (not unlike) and result.rc == (0 if claimed else 10)
    assert ("may be lost" in result.err) == (not claimed)
    assert ("INCONSISTENT" in result.err) == (not fields["consistent"])
    assert ("does not know whether beta has taken over" in result.err) == ("role" in unlike)


@pytest.mark.parametrize("force", (False, True))
def test_failover_of_a_missing_field_claims_nothing(box, force):
    """An older kernel."""
    box.loaded(SYNC_BLOCK, link="waiting", **SURE)
    line = (box.path / "fake/status/db").read_text()
    box.fake("status/db", line.replace(" alone=0", "").strip())
    refuse(box, "promote", 1, "no")
    box.status("after/promote_force", **PRIMARY)
    result = box.run("failover", "db", *["--force"] * force)
    assert result.rc == (10 if force else 4) and "may be lost" in result.err


@pytest.mark.parametrize("verb, message", (
    (["promote", "db"], "promote"),
    (["promote", "db", "--force"], "promote_force"),
    (["failover", "db", "--force"], "promote_force")))
@pytest.mark.parametrize("table, alone, told", (
    (SYNC_BLOCK, 1, True), (SYNC_BLOCK, 0, False), (SYNC, 1, False), (ASYNC, 1, False)))
def test_who_goes_on_alone_says_so(box, verb, message, table, alone, told):
    """Where the settings promise otherwise."""
    box.loaded(table, link="waiting", **SURE)
    if message == "promote_force":
        refuse(box, "promote", 1, "no")
    box.status(f"after/{message}", alone=alone, **PRIMARY)
    result = box.run(*verb)
    assert result.rc == 0
    assert ("writes are acknowledged without beta until it is in sync" in result.err) == told


def test_failover_peer_never_heard(box):
    box.loaded(ASYNC, link="waiting", seen_ms="-", peer_head="-")
    refuse(box, "promote", 1, "no")
    result = box.run("failover", "db")
    assert result.rc == 4 and "beta was never heard; what it wrote is unknown" in result.err


@pytest.mark.parametrize("error, reason", (
    (16, "the peer is active as primary: demote or disconnect it first"),
    (22, "this copy is blank: it has never taken part in the group")))
def test_failover_that_force_does_not_help(box, error, reason):
    """So it is not offered."""
    box.loaded(ASYNC)
    for message in ("promote", "promote_force"):
        refuse(box, message, error, reason)
    result = box.run("failover", "db", "--force")
    assert result.rc == 4 and reason in result.err
    result = box.run("failover", "db")
    assert result.rc == 4 and f"no take-over: {reason}" in result.err and "--force" not in result.err


# --------------------------------------------------------------------- demote


HANDS_OVER = dict(direction="source", handover=1)


def test_demote(box):
    box.loaded(**PRIMARY)
    box.status("after/demote", **HANDS_OVER)
    result = box.run("demote", "db")
    assert result.rc == 0 and "handed over, beta can be promoted" in result.err
    assert box.done() == ["message db demote"] and box.looks() == LOOKS


def test_demote_waits_for_the_peer(box, until):
    box.loaded(**PRIMARY)
    box.status("after/demote", head=100, acked=90, **HANDS_OVER)
    with box.start("demote", "db") as command:
        until(lambda: (box.path / "fake/udev").exists())
        assert command.poll() is None
        box.status(**HANDS_OVER)
        assert command.wait(10) == 0


@pytest.mark.parametrize("link", ("streaming", "catching-up", "syncing", "idle"))
def test_demote_peer_does_not_ack(box, link):
    """It is on its way."""
    box.loaded(**PRIMARY)
    box.status("after/demote", link=link, head=100, acked=90, peer_durable=90, **HANDS_OVER)
    result = box.run("demote", "db", "--timeout", "0.1")
    assert result.rc == 8 and "handed over" not in result.err


@pytest.mark.parametrize("link, acked", (
    ("waiting", 90), ("waiting", "-"), ("waiting", 100), ("syncing", 90), ("syncing", 100)))
def test_demote_to_nobody(box, link, acked):
    """The record names this node itself: there is nothing to wait for, whatever the peer holds."""
    box.loaded(**dict(PRIMARY, link=link))
    box.status("after/demote", link=link, head=100, acked=acked, handover=0)
    result = box.run("demote", "db", "--timeout", "20")
    assert result.rc == 7 and "group db: secondary" in result.err
    assert f"not handed over to beta, for the link was {link}; this node can be promoted again" in result.err
    assert box.done() == ["message db demote"] and box.looks() == LOOKS


def test_demote_unconfirmed(box):
    """It may not hand over what it does not know to be its own."""
    box.loaded(role="primary", state="unconfirmed", link="waiting")
    box.status("after/demote", link="waiting", head=100, acked=100)
    result = box.run("demote", "db")
    assert result.rc == 7 and "demoted without a hand-over, for this node was unconfirmed" in result.err
    assert "can be promoted" not in result.err


def test_demote_peer_is_quick(box):
    """It holds the hand-over and has become primary before anybody looked."""
    box.loaded(**PRIMARY)
    box.status("after/demote", direction="target", generation="fedcba", head=101)
    result = box.run("demote", "db")
    assert result.rc == 0 and "beta is primary already" in result.err


def test_demote_link_goes_for_a_moment(box, until):
    """The two shake hands anew: no reason to give up."""
    box.loaded(**PRIMARY)
    box.status("after/demote", link="handshaking", head=100, acked=90, handover=1)
    with box.start("demote", "db") as command:
        until(lambda: (box.path / "fake/udev").exists())
        for link in ("waiting", "authenticating"):
            box.status(link=link, head=100, acked=90, handover=1)
            assert command.poll() is None
        box.status(link="idle", handover=1)
        assert command.wait(10) == 0


def test_demote_link_goes_for_good(box):
    box.loaded(**PRIMARY)
    box.status("after/demote", link="waiting", head=100, acked=90, handover=1)
    result = box.run("demote", "db")
    assert result.rc == 7 and "does not have the hand-over yet" in result.err


def test_demote_open(box):
    box.loaded(**PRIMARY)
    box.open("wal")
    result = box.run("demote", "db")
    assert result.rc == 5 and "/dev/mapper/db-wal: in use" in result.err
    assert box.done() == []


def test_demote_open_for_a_moment(box, until):
    """Asynchronous requests keep a device open after the process that made them has ended."""
    box.loaded(**PRIMARY)
    box.open("wal")
    box.status("after/demote", link="idle", handover=1)
    with box.start("demote", "db") as command:
        until(lambda: is_asleep(command))
        assert box.done() == []
        box.open("wal", 0)
        assert command.wait(10) == 0
    assert box.done() == ["message db demote"]


def test_demote_opened_in_between(box, until):
    """udev opens a volume after the last look at it, before the kernel looks."""
    box.loaded(**PRIMARY)
    box.status("after/demote", link="idle", handover=1)
    refuse(box, "demote", 16, "volume wal is open")
    with box.start("demote", "db") as command:
        until(lambda: "message db demote" in box.done())
        box.unfake("refuse/demote")
        assert command.wait(10) == 0


def test_demote_opened_for_good(box):
    box.loaded(**PRIMARY)
    refuse(box, "demote", 16, "volume wal is open")
    result = box.run("demote", "db")
    assert result.rc == 5 and "volume wal is open" in result.err


def test_demote_again(box):
    box.loaded()
    result = box.run("demote", "db")
    assert result.rc == 0 and "secondary already" in result.err and box.done() == []


def test_demote_again_waits_for_the_hand_over(box, until):
    """The first one was cut short, or ended before the peer had it."""
    box.loaded(link="waiting", acked=90, peer_durable=90, handover=1)
    result = box.run("demote", "db")
    assert result.rc == 7 and "does not have the hand-over yet" in result.err
    box.status(link="catching-up", acked=90, peer_durable=90, handover=1, direction="source")
    with box.start("demote", "db") as command:
        until(lambda: is_asleep(command))
        assert command.poll() is None
        box.status(link="idle", acked=90, peer_durable=100, handover=1)
        assert command.wait(10) == 0
    assert box.done() == []


@pytest.mark.parametrize("reason", ("diverged", "both-primary:_and_more"))
def test_demote_in_a_split_brain(box, reason):
    """The other one will not take what was handed over: what to do now is told."""
    refused = dict(link="refused", link_reason=reason, acked=90, peer_durable=90)
    box.loaded(**dict(PRIMARY, **refused))
    box.status("after/demote", handover=1, **refused)
    result = box.run("demote", "db")
    assert result.rc == 7 and "beta has gone its own way" in result.err
    assert "lvrctl connect db --discard" in result.err and "can be promoted" not in result.err


def test_demote_refused(box):
    box.loaded(**PRIMARY)
    refuse(box, "demote", 16, "a volume is open")
    result = box.run("demote", "db")
    assert result.rc == 5 and "a volume is open" in result.err


# ----------------------------------------------------------------------- link


def test_connect(box):
    """The key is sent again: it may have been the wrong one."""
    box.conf()
    box.key()
    box.loaded()
    assert box.run("connect", "db").rc == 0
    assert box.done() == ["message db set-key 00112233445566778899aabbccddeeff secretly", "message db connect"]


def test_connect_without_conf(box):
    box.loaded()
    assert box.run("connect", "db").rc == 0
    assert box.done() == ["message db connect"]


def test_connect_discard(box):
    box.loaded(orphan_first=88, orphan_records=12, orphan_bytes=49152)
    result = box.run("connect", "db", "--discard")
    assert result.rc == 0 and "given up: 12 records, 88..99, 48 KiB" in result.err
    assert box.done() == ["message db discard", "message db connect"]


def test_connect_discard_refused(box):
    box.loaded(**PRIMARY)
    refuse(box, "discard", 16, "this node is active as primary")
    result = box.run("connect", "db", "--discard")
    assert result.rc == 4 and "active as primary" in result.err
    assert box.done() == ["message db discard"]


def test_discard_in_a_split_brain_says_what_goes(box):
    box.loaded(link="refused", link_reason="diverged")
    result = box.run("connect", "db", "--discard")
    assert result.rc == 0 and "given up: all that was written here and that beta lacks" in result.err
    assert box.done() == ["message db discard", "message db connect"]


def test_disconnect(box):
    box.loaded()
    assert box.run("disconnect", "db").rc == 0
    assert box.done() == ["message db disconnect"]


def test_commands_do_not_wait_for_ever(box):
    """Another one holds the group for longer than this one waits."""
    box.conf()
    box.loaded(**PRIMARY)
    with open(box.path / "run/db.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        commands = [box.start(*args) for args in (["demote", "db"], ["stop", "db"], ["create", "db", "--source"])]
        for command in commands:
            assert "another lvrctl is at work on it" in command.communicate(timeout=50)[1]
            assert command.returncode == 5
    assert box.done() == []


def test_commands_wait_for_each_other(box, until):
    box.loaded()
    box.status("after/promote", role="primary", state="promoting")
    with box.start("promote", "db", "--timeout", "20") as first:
        until(lambda: "promote" in (box.path / "fake/log").read_text())
        with box.start("disconnect", "db") as second:
            until(lambda: is_asleep(second))
            assert "disconnect" not in (box.path / "fake/log").read_text()
            box.status(**PRIMARY)
            assert first.wait(10) == 0 and second.wait(10) == 0
    assert box.done() == ["message db promote"] + ["message db disconnect"]
