"""What a write costs: in instructions of the guests, which do not depend on the machine's speed, or hardly; and in
writes to the volumes."""
import re

from kit import trace_wakers, traced, uptime_s
from pair import Load, Pair
from rig.counter import Counter

SHORT, LONG = 128, 1024     # writes; the difference is free of what a run costs by itself
ROUNDS = 8
PAUSES_SECONDS = (3, 10, 30)    # many times what LVR waits for more to come
# On an idle machine 50,000 and 35,000 are found at best, of which the hash of the payload is 3,600 on each node, and
# 61,000 and 48,000 with a sender that lets nothing gather; the more it has to do beside, the more they are, so one
# round below the bounds is enough
PRIMARY_MAX, SECONDARY_MAX = 54_000, 41_000
PRIMARY_MIN, SECONDARY_MIN = 18_000, 9_000      # less, and not all is counted: the bare device alone takes 18,000


def spent(pair, counters, writes, pause):
    """Instructions of each node for so many writes of 4 KiB, one at a time, and to bring them to all volumes; None
    if the pause was too short for that. The guests do nothing else meanwhile, answer no question either."""
    before = [counter.count() for counter in counters]
    pair.a.run(f"dd if=/dev/shm/noise of={pair.device('v0')} bs=4k count={writes} oflag=direct conv=notrunc "
               f"2>/dev/null && sleep {pause}", timeout=120)
    after = [counter.count() for counter in counters]
    head = pair.status(pair.a)["head"]
    if any(pair.status(node)["destaged"] != head for node in pair.nodes):
        return None
    return [now - was for now, was in zip(after, before, strict=True)]


def per_write(pair, counters):
    for pause in PAUSES_SECONDS:
        short, long = (spent(pair, counters, writes, pause) for writes in (SHORT, LONG))
        if short and long:
            return [(more - less) // (LONG - SHORT) for less, more in zip(short, long, strict=True)]
    raise AssertionError(f"not all on the volumes {PAUSES_SECONDS[-1]} s after the last write")


def test_instructions_of_a_write(lab):
    """An asynchronous 4k write at depth 1, all that it causes on both nodes included."""
    pair = Pair(lab, volumes=1, volatile=False, smp=1)
    counters = [Counter(node) for node in pair.nodes]
    pair.up()
    pair.a.run(f"dd if=/dev/urandom of=/dev/shm/noise bs=4k count={LONG} 2>/dev/null")
    per_write(pair, counters)      # what only the first writes take
    rounds = []
    while len(rounds) < ROUNDS:
        rounds.append(per_write(pair, counters))
        primary, secondary = rounds[-1]
        assert primary >= PRIMARY_MIN and secondary >= SECONDARY_MIN, rounds
        if primary <= PRIMARY_MAX and secondary <= SECONDARY_MAX:
            return
    raise AssertionError(f"instructions on primary and secondary: {rounds}; at most {PRIMARY_MAX}, "
                         f"{SECONDARY_MAX} wanted")


def switches(node, thread):
    """How often a thread was given the processor."""
    return int(node.run(f"awk '/ctxt/ {{ n += $2 }} END {{ print n }}' "
                        f"$(dirname $(grep -l {thread} /proc/[0-9]*/comm))/status").out)


def looks_since(pair, began):
    """How often a worker that waits for company may have looked for it by itself since an uptime, and destaged."""
    return 15 * (uptime_s(pair.a) - began)


def test_a_flush_does_not_wake_the_worker(lab):
    """Durable records that wait for company are looked at now and then, not each time that more are durable."""
    pair = Pair(lab, volumes=1, volatile=False).up()
    writes, before, began = 2000, [switches(node, "lvr_worker") for node in pair.nodes], uptime_s(pair.a)
    pair.a.run(f"dd if=/dev/zero of={pair.device('v0')} bs=4k count={writes} oflag=direct,dsync conv=notrunc 2>/dev/null",
               timeout=120)
    woken = [switches(node, "lvr_worker") - was for node, was in zip(pair.nodes, before, strict=True)]
    assert all(0 < n < writes // 4 + looks_since(pair, began) for n in woken), (writes, woken)
    # those make themselves durable; now with a flush behind every fourth, which is not expected
    flushes, before, began = pair.status(pair.a)["flushes"], switches(pair.a, "lvr_worker"), uptime_s(pair.a)
    load = Load(pair, pair.a, depth=1, flush_every=4)
    load.run_until(4000)
    load.stop()
    flushes, woken = pair.status(pair.a)["flushes"] - flushes, switches(pair.a, "lvr_worker") - before
    assert flushes > 900 and 0 < woken < flushes // 4 + looks_since(pair, began), (flushes, woken)


def test_a_flush_behind_each_write_costs_the_log_none(lab):
    """Who flushes after each write has it written so that the flush finds everything durable."""
    pair = Pair(lab, volumes=1, volatile=False).up()
    before = pair.status(pair.a)
    load = Load(pair, pair.a, depth=1, flush_every=1)
    load.run_until(1000)
    load.stop()
    after = pair.status(pair.a)
    assert after["chunks"] - before["chunks"] >= 1000 and after["flushes"] - before["flushes"] < 50, (before, after)
    assert load.flushed >= 999      # it may have been ended between the last write and its flush


def test_a_synchronous_write_wakes_each_sender_once(lab):
    """To send it, and to ack it: not when it is written, nor when it is acked. The writer itself wakes the one that
    sends: the peer's log is written beside the local one, not after it."""
    pair = Pair(lab, volumes=1, volatile=False, mode="sync").up()
    pair.wait(pair.a, in_sync=1)
    writes, before = 2000, [switches(node, "lvr_send") for node in pair.nodes]
    flushes = pair.status(pair.a)["flushes"]
    trace_wakers(pair.a, "lvr_send")
    pair.a.run(f"dd if=/dev/zero of={pair.device('v0')} bs=4k count={writes} oflag=direct conv=notrunc 2>/dev/null",
               timeout=240)
    trace = traced(pair.a).splitlines()
    woken = [switches(node, "lvr_send") - was for node, was in zip(pair.nodes, before, strict=True)]
    # LVR flushes by itself now and then, and tells the peer: so many are added as the run is slow
    flushes = pair.status(pair.a)["flushes"] - flushes
    assert all(writes * 0.9 < n < writes * 1.2 + 2 * flushes for n in woken) and flushes < writes, (writes, woken, flushes)
    by_writer = sum(bool(re.match(r" *dd-\d+ +\[\d+\] ..\.", line)) for line in trace)
    assert by_writer > writes * 0.9, (writes, by_writer, trace[:20])


def test_a_block_that_is_written_often_goes_to_its_volume_seldom(lab):
    """Records wait for company on both nodes: what is written again meanwhile is absorbed."""
    pair = Pair(lab, volumes=1, volatile=False).up()
    before = [pair.status(node) for node in pair.nodes]
    load = Load(pair, pair.a, blocks=8)
    load.run_until(3000)
    load.stop()
    load.check(pair.a, load.done)
    pair.assert_equal()
    after = [pair.status(node) for node in pair.nodes]
    written = after[0]["write_bytes"] - before[0]["write_bytes"]
    for was, now in zip(before, after, strict=True):
        assert 0 < now["destaged_bytes"] - was["destaged_bytes"] <= written // 20, (written, was, now)
