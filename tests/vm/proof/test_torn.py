"""Crash points of all disks of a node, from the record of what it wrote.

A run records both nodes. Then, for each node and each place in its record where a flush is about to make
something stable, the disks are made as a power cut may leave them there, in several ways, and recovered:
at every crash point by replica.py, at some by the module in a guest. Whatever recovers must show a
prefix over all volumes with all that had been promised by then."""
import bisect
import os
import random
import shutil
import time
from dataclasses import dataclass, field

import pytest
from lane import Violation
from pair import Load, Pair
from replica import Replica
from rig.timeline import WRITE

# of what no flush covers: (on the log, on the volumes)
POLICIES = (("drop", "drop"), ("keep", "keep"), ("drop", "keep"), ("keep", "drop"), ("random", "random"),
            ("random", "random"))
POLL_SECONDS = 0.2
GUEST_SHARE = 0.25       # of the time, for recoveries in guests


def recorded_pair(lab, **options):
    lab.poll_seconds = POLL_SECONDS
    return Pair(lab, recorded=True, log_mib=16, volume_mib=16, **options)


@dataclass
class Story:
    """A load, and what its node's peer was known to hold stably when its record had a certain size. What
    the node itself holds is in its record: the writer notes each flush on a disk of its own."""
    pair: Pair
    load: Load = None
    promises: dict = field(init=False)      # node name -> list of (bytes of the record, writes)

    def __post_init__(self):
        self.promises = {node.name: [(node.recording.size, 0)] for node in self.pair.nodes}

    def begin(self, node):
        """Bytes of the node's record when the story began: before that there may be no log yet."""
        return self.promises[node.name][0][0]

    def look_at_peer(self):
        """What is read first is promised at every crash point behind the record's size read later."""
        done, status = self.load.done, self.pair.status(self.load.node)
        if status["in_sync"] == 1 or status["lag_records"] == 0:
            self.note(self.pair.b if self.load.node is self.pair.a else self.pair.a, done)

    def note(self, node, writes):
        self.promises[node.name].append((node.recording.size, writes))

    def promised(self, node, at):
        """What the node must hold when its record has so many bytes."""
        notes = self.promises[node.name]
        return max((writes for _, writes in notes[:bisect.bisect_right(notes, (at, 1 << 62))]), default=0)

    def write(self, writes):
        target, looks = self.load.done + writes, 0

        def enough():
            nonlocal looks
            looks += 1
            if looks % 10 == 0:
                self.look_at_peer()
            assert self.load.job.poll() is None, self.load.job.err
            return self.load.done >= target
        self.pair.lab.wait(enough, timeout=180, what=f"{writes} writes")
        self.look_at_peer()


def streaming(lab, seed):
    """A load on a primary that streams; checkpoints, and a ring that goes round. Not synchronous, else a
    flush of this node that is missing hides behind the peer's."""
    pair = recorded_pair(lab).up()
    story = Story(pair, Load(pair, pair.a, seed=seed, flush_every=8, block=16384, blocks=64))
    story.write(1500)
    return story


def initial_sync(lab, seed):
    """The load begins with the synchronisation, and goes on behind its end."""
    pair = recorded_pair(lab)
    lab.start()
    pair.a.run(f"for d in {pair.raw()}; do dd if=/dev/urandom of=$d bs=1M count=8 seek=8 oflag=direct conv=fsync "
               "2>/dev/null; done")
    pair.create()
    lab.slow(rate_mbit=10)
    for node in pair.nodes:
        pair.start(node)
    story = Story(pair)
    pair.a.run("lvrctl promote g0")
    story.load = Load(pair, pair.a, seed=seed, flush_every=8, blocks=256)
    story.write(100)
    assert pair.status(pair.b)["consistent"] == 0, "the synchronisation was over too soon"
    lab.heal()
    pair.wait(pair.b, consistent=1, link="streaming")
    story.write(100)
    return story


def lagging(lab, seed):
    """A slow link that loses and reorders packets, in small ones: what the peer has is never all."""
    pair = recorded_pair(lab).up()
    for node in pair.nodes:
        node.run("ip link set dev eth0 mtu 576")
    lab.links.set("delay 20ms 10ms reorder 30% 50% loss 1% rate 4mbit")
    story = Story(pair, Load(pair, pair.a, seed=seed, flush_every=16, blocks=256))
    story.write(500)
    return story


def promotion(lab, seed):
    """The primary dies under load, the peer is promoted by force."""
    pair = recorded_pair(lab, mode="sync").up()
    pair.wait(pair.a, in_sync=1)
    story = Story(pair, Load(pair, pair.a, seed=seed, flush_every=8, blocks=256))
    story.write(300)
    pair.a.kill()
    pair.failover(pair.b)
    pair.b.run(f"dd if=/dev/urandom of={pair.device('v1')} bs=4k count=64 seek=3000 oflag=direct 2>/dev/null")
    pair.wait(pair.b, checkpoint=lambda seq: seq > story.load.done)
    return story


def hand_over(lab, seed):
    """Demotion and promotion in order, after writes each of which is flushed."""
    pair = recorded_pair(lab).up()
    story = Story(pair, Load(pair, pair.a, seed=seed, depth=1, flush_every=1, blocks=256))
    story.write(200)
    story.load.stop()
    pair.a.run("lvrctl demote g0")
    for node in pair.nodes:     # demoted without loss: the log is durable, and the peer has acked all
        story.note(node, story.load.done)
    pair.b.run("lvrctl promote g0")
    pair.b.run(f"dd if=/dev/urandom of={pair.device('v1')} bs=4k count=64 seek=3000 oflag=direct 2>/dev/null")
    pair.wait(pair.b, checkpoint=lambda seq: seq > story.load.done, link="streaming")
    return story


class Points:
    """The crash points of a node's record."""

    def __init__(self, figure, story, node, directory):
        self.figure, self.story, self.node = figure, story, node
        self.timeline = node.recording.timeline(directory)
        self.chance = random.Random(f"{story.load.seed} {node.name}")
        self.directory = directory

    def close(self):
        self.timeline.close()
        shutil.rmtree(self.directory)

    def end(self, mark):
        """Bytes of the record that have happened at a mark."""
        return self.timeline.entries[mark - 1].end

    def noted(self, mark):
        """The last flush that the writer had noted at a mark."""
        notes = len(self.timeline.images) - 1
        for entry in reversed(self.timeline.entries[:mark]):
            if entry.disk == notes and entry.kind == WRITE and entry.offset == 0:
                return int.from_bytes(os.pread(self.timeline.record.fileno(), 8, entry.place), "little")
        return 0

    def try_all(self, seconds):
        """All ways of a power cut at each mark by the second recovery; now and then one of them, drawn, by
        the module in a guest. Marks are left out evenly, as far as the time forces."""
        begin, since, in_guest, tried = self.story.begin(self.node), time.monotonic(), 0, 0
        marks = [mark for mark in self.timeline.marks if mark and self.end(mark) >= begin]
        for number, mark in enumerate(marks):
            spent = time.monotonic() - since
            left = seconds * (1 - GUEST_SHARE) - (spent - in_guest)
            needed = (spent - in_guest) / max(tried, 1) * (len(marks) - number)
            if needed > left and number % max(2, round(needed / max(left, 1))):
                self.figure.add("marks thinned out")
                continue
            tried += 1
            for way in range(len(POLICIES)):
                self.at(mark, way, self.by_replica)
                self.figure.add("crash points")
            if in_guest <= GUEST_SHARE * spent:
                before = time.monotonic()
                self.at(mark, self.chance.randrange(len(POLICIES)), self.by_guest)
                self.figure.add("recoveries in guests")
                in_guest += time.monotonic() - before

    def at(self, mark, way, recover):
        """Makes the disks be as after a power cut, and recovers them."""
        log, volumes = POLICIES[way]
        self.timeline.advance(mark)
        self.timeline.cut([log] + [volumes] * (len(self.timeline.images) - 1), f"{mark} {way}")
        try:
            recover(max(self.noted(mark), self.story.promised(self.node, self.end(mark))))
        except Violation as error:
            raise Violation(f"{self.node.name}, before entry {mark} of {len(self.timeline.entries)}, log {log}, volumes "
                            f"{volumes}, way {way}, loose {self.timeline.loose()}: {error}") from None

    def by_replica(self, promised):
        """Recovered as the node replays by itself, then as it would be promoted."""
        replica = Replica(self.timeline, len(self.story.pair.volumes))
        self.figure.add(f"logs {replica.verdict}")
        if not replica.consistent:
            self.figure.add("copies marked inconsistent")
            return
        off = replica.replay(limit_seq=replica.limit_seq)
        whole = replica.limit_seq is None
        replica.check(self.story.load, promised if whole else 0)
        if not whole:
            replica.replay(from_off=off)
            replica.check(self.story.load, promised)

    def by_guest(self, promised):
        """The same by the module, on a machine that runs on and whose disks are changed below it."""
        pair, node = self.story.pair, self.node
        before = Replica(self.timeline, len(self.story.pair.volumes))
        for disk, image in zip(node.disks.values(), self.timeline.images, strict=True):
            disk.overwrite(image)
        node.run("echo 3 >/proc/sys/vm/drop_caches")
        pair.start(node)
        state = pair.status(node)["state"]
        primary = before.limit_seq is None
        if state != ("unconfirmed" if primary else "standby"):
            raise Violation(f"the module is {state}, {before.describe()}")
        if pair.status(node)["consistent"] != before.consistent:
            raise Violation(f"consistent for one, not for the other: {before.describe()}")
        pair.stop(node)
        if not before.consistent:
            return
        self.oracle(promised if primary else 0)
        pair.start(node)
        node.run(f"lvrctl promote {pair.group} --force", timeout=120)
        self.oracle(promised, pair.devices())
        pair.stop(node)
        self.oracle(promised)

    def oracle(self, promised, devices=None):
        """In the guest, on its disks below or through the volumes."""
        try:
            self.story.load.check(self.node, promised, devices or self.story.pair.raw())
        except AssertionError as error:
            raise Violation(f"as the module recovers it, promised {promised}: {error}") from None


STORIES = (streaming, initial_sync, lagging, promotion, hand_over)


@pytest.mark.seconds(7200)
@pytest.mark.parametrize("story", STORIES, ids=[story.__name__ for story in STORIES])
def test_torn(lab, figure, request, story):
    seconds = (request.config.getoption("minutes") or 40) * 60 / len(STORIES)
    began = time.monotonic()
    name, story = story.__name__, story(lab, request.config.getoption("seed"))
    nodes = story.pair.nodes
    for node in nodes:
        node.kill()
    for turn, node in enumerate(nodes):
        points = Points(figure, story, node, lab.directory / f"{node.name}.torn")
        left = seconds - (time.monotonic() - began)
        before = dict(figure.counts)
        node.start()
        points.try_all(max(left / (len(nodes) - turn), 60))
        node.kill()
        points.close()
        print(f"{name}, {node.name}: {len(points.timeline.entries)} entries, {len(points.timeline.marks)} marks, "
              + ", ".join(f"{number - before.get(what, 0)} {what}" for what, number in figure.counts.items()), flush=True)
