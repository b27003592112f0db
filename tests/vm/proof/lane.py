"""What the long lanes share: rounds drawn from a seed, the figure, and what counts as a violation."""
import random
import time
from collections import Counter

from kit import assert_same_bytes
from pair import Load, Pair
from rig import NodeDied

ROUNDS_A_GAME = 6
POLL_SECONDS = 0.4


class Violation(AssertionError):
    """A copy is not what it was promised to be."""


class Figure:
    """What a lane counted. A lane that broke off says so, whatever the reason."""

    def __init__(self):
        self.counts = Counter()
        self.broken = []
        self.notes = []

    def add(self, what, number=1):
        self.counts[what] += number

    def line(self):
        parts = [f"{number} {what}" for what, number in self.counts.items()]
        parts.append(f"{sum('Violation' in text for text in self.broken)} violations")
        others = [text for text in self.broken if "Violation" not in text]
        if others:
            parts.append(f"{len(others)} broke off")
        return ", ".join(parts + self.notes)


class Game:
    """Some rounds with one pair of machines. All that is decided comes from the seed, not from how the
    machines fare, so a game repeats its decisions; the guests' timing is their own."""

    def __init__(self, lab, figure, seed, make=Pair, log_mib=16, volume_mib=16, **options):
        self.lab, self.figure, self.seed = lab, figure, seed
        lab.poll_seconds = POLL_SECONDS
        chance = random.Random(seed)
        self.options = {key: chance.choice(values) for key, values in options.items()}
        if self.options.get("mode") != "sync":
            self.options.pop("on_disconnect", None)     # which lvrctl refuses: it would promise nothing
        self.block = chance.choice([512, 4096, 65536])
        self.pair = make(lab, log_mib=log_mib, volume_mib=volume_mib, **self.options)
        self.began = time.monotonic()
        self.primary, self.other = self.pair.a, self.pair.b

    def say(self, *words):
        """What goes on."""
        words = " ".join(str(word) for word in words)
        print(f"{time.monotonic() - self.began:6.0f} s, game {self.seed}: {words}", flush=True)

    def peer_of(self, node):
        return self.pair.b if node is self.pair.a else self.pair.a

    def load(self, chance):
        """A writer of a shape of its own on the primary."""
        return Load(self.pair, self.primary, seed=chance.randint(1, 10 ** 6), depth=chance.choice([1, 4, 16]),
                    flush_every=chance.choice([1, 4, 16, 100]), block=self.block,
                    blocks=chance.choice([32, 64]) if self.block > 4096 else chance.choice([64, 256, 1024]))

    def check(self, load, node, promised, devices=None):
        """The oracle over all volumes of a node; a violation also if it lacks what was promised."""
        try:
            found = load.check(node, promised, devices)
        except AssertionError as error:
            raise Violation(f"{node.name}, promised {promised}: {error}") from None
        self.figure.add("oracle checks")
        return found

    def check_equal(self):
        """Both nodes hold the same bytes. Read by the host, which costs the guests nothing."""
        head = self.pair.status(self.primary)["head"]
        for node in (self.primary, self.other):
            self.pair.wait(node, destaged=head, durable=head)
        try:
            assert_same_bytes(self.pair)
        except AssertionError as error:
            raise Violation(f"the nodes differ: {error}") from None

    def wipe(self, chance):
        """The next writer finds volumes without stamps, on both nodes."""
        how = chance.choice(["dd if=/dev/zero of=$d bs=1M count=4 oflag=direct conv=notrunc 2>/dev/null",
                             "blkdiscard -z -o 0 -l 4194304 $d", "blkdiscard -o 0 -l 4194304 $d"])
        self.primary.run(f"for d in {self.pair.devices()}; do {how} || exit 1; done", timeout=120)
        self.check_equal()


def end(load):
    """Stops a writer, if the machine under it still runs."""
    try:
        load.stop(failed=True)
    except NodeDied:
        pass


def moment(chance, seconds):
    """Lets a random time pass. Not to wait for anything: it is when something happens."""
    time.sleep(chance.uniform(0, seconds))
