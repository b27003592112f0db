"""What takes long shows how much is left, at what rate, for how long."""
import re

import pytest
from conftest import PRIMARY

SYNCING = dict(link="syncing", sync_total_sect=204800)
HANDS_OVER = dict(direction="source", handover=1, acked=90)


@pytest.mark.parametrize("args, message, first, later, text", (
    (["wait", "db", "--link", "streaming"], None, dict(SYNCING, sync_done_sect=0),
     dict(SYNCING, sync_done_sect=2048), "synchronising"),
    (["wait", "db", "--link", "streaming"], None, dict(PRIMARY, link="catching-up", lag_bytes=9 << 20),
     dict(PRIMARY, link="catching-up", lag_bytes=8 << 20), "catching up, 9.0 MiB to go"),
    (["wait", "db", "--acked"], None, dict(PRIMARY, acked=90, lag_bytes=9 << 20),
     dict(PRIMARY, acked=91, lag_bytes=8 << 20), "sending, 9.0 MiB to go"),
    (["wait", "db", "--applied"], None, dict(PRIMARY, applied=40), dict(PRIMARY, applied=50),
     "the peer writes to its volumes, 60 records to go"),
    (["wait", "db", "--destaged"], None, dict(destaged=40), dict(destaged=50),
     "writing to the volumes, 60 records to go"),
    (["promote", "db"], "promote", dict(role="primary", state="promoting", destaged=40),
     dict(role="primary", state="promoting", destaged=50), "replaying, 60 records to go"),
    (["demote", "db"], "demote", dict(HANDS_OVER, lag_bytes=9 << 20), dict(HANDS_OVER, lag_bytes=8 << 20),
     "sending, 9.0 MiB to go"),
))
def test_on_a_terminal(box, args, message, first, later, text):
    box.loaded(**(PRIMARY if message == "demote" else {} if message else first))
    if message:
        box.status(f"after/{message}", **first)
    with box.on_terminal(*args) as terminal:
        terminal.until("\r\x1b[K" + text)
        box.status(**later)
        terminal.until("/s, ", " left")
        box.status(**dict({} if message == "demote" else PRIMARY, handover=1))
        assert terminal.end() == 0
    rate = r"[\d.]+ [KM]iB/s" if "records" not in text else r"\d+ records/s"
    assert re.search(rf"{re.escape(text.split(',')[0])}[^\r]*, {rate}, [\d.]+ (s|min[^\r]*) left\r", terminal.said)
    words = terminal.said.rpartition("\r\x1b[K")[2]
    assert "to go" not in words, "the line is left clean"


def test_start(box):
    box.conf()
    box.key()
    box.disks()
    box.log()
    box.status(state="replaying", destaged=40)
    with box.on_terminal("start", "db") as terminal:
        terminal.until("replaying, 60 records to go")
        box.status(state="replaying", destaged=50)
        terminal.until("records/s, ", " left")
        box.status()
        assert terminal.end() == 0


def test_stop(box):
    """The kernel drains inside the removal of a volume."""
    box.loaded(destaged=40, **PRIMARY)
    box.fake("hold/db-data")
    with box.on_terminal("stop", "db") as terminal:
        terminal.until("draining, 60 records to go")
        box.status(destaged=50, **PRIMARY)
        terminal.until("records/s, ", " left")
        box.status(**dict(PRIMARY, destaged=100, checkpoint=100))
        box.unfake("hold/db-data")
        assert terminal.end() == 0


def test_lines_where_there_is_no_terminal(box, until):
    box.loaded(**SYNCING, sync_done_sect=0)
    with box.start("wait", "db", "--link", "streaming") as command:
        assert command.stderr.readline() == "synchronising 0 %\n"
        box.status(**SYNCING, sync_done_sect=2048)
        until(lambda: " left\n" in command.stderr.readline())
        box.status()
        assert command.wait(10) == 0


@pytest.mark.parametrize("verb", (["log", "check"], ["destroy"]))
def test_reading_a_log(box, verb):
    """Where it ends is not known before."""
    box.conf()
    box.key()
    box.disks()
    box.log("checkpoint=6", chunks=6)
    with box.on_terminal(*verb, "db" if verb == ["destroy"] else box.path / "disk/log") as terminal:
        assert terminal.end() == 0
    assert re.search(r"\r\x1b\[Kreading the log, at most [\d.]+ MiB to go", terminal.said)
    assert "to go" not in terminal.said.rpartition("\r\x1b[K")[2]
