"""What counts as a complaint of a kernel, without any virtual machine."""
from types import SimpleNamespace

import pytest
from rig import leaks
from rig.console import Console

TRACE = """[    7.1] kworker/0:1: {head}
[    7.1] CPU: 0 PID: 17 Comm: kworker/0:1 Tainted: G  O  6.1.0
[    7.1] Workqueue: dm_lvr work [dm_lvr]
[    7.1] Call Trace:
[    7.1]  dump_stack+0x1c/0x20
"""
BY_RULE = "page allocation failure: "


@pytest.fixture(name="console")
def _console(tmp_path):
    return Console(tmp_path / "console")


def say(console, text):
    with open(console.path, "a", encoding="ascii") as file:
        file.write(text)


@pytest.mark.parametrize("line", [
    "WARNING: CPU: 0 PID: 1 at mm/slub.c:1 kfree+0x1/0x2", "BUG: KASAN: slab-use-after-free in f+0x1/0x2",
    "INFO: task dd:77 blocked for more than 120 seconds.", "WARNING: possible circular locking dependency detected",
    "rcu: INFO: rcu_sched self-detected stall on CPU", "kmemleak: 2 new suspected memory leaks", "Kernel panic - not syncing"])
def test_a_complaint_is_found_with_what_follows(console, line):
    say(console, f"[    1.0] booted\n[    2.0] {line}\n[    2.1] more\n")
    assert console.complaints() == f"[    2.0] {line}\n[    2.1] more"


def test_ordinary_lines_are_none(console):
    assert console.complaints() == ""
    say(console, "[    1.0] device-mapper: lvr: g0: the peer is away\n[    1.1] debug: warnings are on\n")
    assert console.complaints() == ""


def test_what_was_forgotten_is_not_found_again(console):
    say(console, "[    2.0] BUG: once\n")
    assert "once" in console.forget()
    assert console.complaints() == ""
    say(console, "[    3.0] BUG: twice\n")
    assert console.complaints() == "[    3.0] BUG: twice"


def test_an_expected_trace_is_none(console):
    say(console, TRACE.format(head=BY_RULE + "order:0"))
    assert "Call Trace" in console.complaints()
    console.expect_trace(BY_RULE)
    assert console.complaints() == ""


@pytest.mark.parametrize("text", [
    TRACE.format(head="something else"),                                    # of another kind
    TRACE.format(head=BY_RULE) + "[    7.2] BUG: unable to handle\n",       # behind it
    TRACE.format(head="BUG: " + BY_RULE),                                   # that is a complaint by itself
    TRACE.format(head=BY_RULE) + "[    7.3] a line\n" * 8 + "[    7.4] Call Trace:\n"])   # too far from it
def test_an_expected_trace_hides_no_other(console, text):
    console.expect_trace(BY_RULE)
    say(console, text)
    assert console.complaints() != ""


LOST = """unreferenced object 0x60a1c000 (size 64):
  comm "dmsetup", pid 77, jiffies 4294940000 (age 8.100s)
  backtrace:
    [<0000000012345678>] {frame}
    [<0000000087654321>] dm_table_add_target+0x1/0x2
"""


@pytest.mark.parametrize("frame, ours", [
    ("lvr_group_alloc+0x10/0x200 [dm_lvr]", True), ("0x0000000060c00000", True), ("dm_create+0x1/0x2 [dm_mod]", False)])
def test_memory_lost_by_the_module_is_told_from_others(frame, ours):
    report = LOST.format(frame="alloc_inode+0x1/0x2") + LOST.format(frame=frame)
    node = SimpleNamespace(run=lambda _command, timeout: SimpleNamespace(out=report))
    assert leaks.find(node) == (LOST.format(frame=frame) if ours else "")
