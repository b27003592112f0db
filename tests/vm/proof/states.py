"""The states of the matrix: how a pair comes into each, and how the node is then.

Each begins with a streaming pair, alpha its primary and written to. A state that passes by is held open by
a device below that keeps back its flushes; when the fault is there the device lets go, and what is looked
at is what the state came to."""
from dataclasses import dataclass, field
from typing import Callable

from cell import GOES_ON, NOBODY, RUN_ON, WAITS
from kit import at_least, fill, settle


def streaming(cell):
    pass


def peer_away(cell):
    cell.pair.lab.cut()
    cell.pair.wait(cell.pair.a, link="waiting")


def catching_up(cell):
    peer_away(cell)
    fill(cell.pair.a, cell.pair.device("v0"), 8, seek_mib=8)
    cell.pair.lab.slow(rate_mbit=8)
    cell.pair.wait(cell.node, link="catching-up")


def syncing(cell):
    """A full synchronisation of a copy that was discarded, slow enough to outlast the fault."""
    cell.pair.lab.slow(rate_mbit=2)
    cell.pair.b.run("dmsetup message g0 0 discard")
    for node in cell.pair.nodes:
        cell.pair.wait(node, link="syncing")


def log_full(cell):
    """All that the log holds is on the volumes, and nothing of it at the peer."""
    peer_away(cell)
    v1 = cell.pair.device("v1")
    cell.flood = cell.pair.a.spawn(f"for i in 1 2; do dd if=/dev/urandom of={v1} bs=256k seek=16 count=48 "
                                   "oflag=direct conv=notrunc || exit 1; done")
    cell.pair.wait(cell.pair.a, deferred=at_least(1), reason=lambda reason: reason.startswith("log_full"))
    head = cell.pair.status(cell.pair.a)["head"]
    cell.pair.wait(cell.pair.a, destaged=at_least(head), checkpoint=at_least(head))


def standalone(cell):
    cell.pair.a.run("lvrctl disconnect g0")
    cell.pair.wait(cell.pair.a, link="standalone")


def unconfirmed(cell):
    cell.load.stop()
    cell.pair.stop(cell.pair.a)
    cell.pair.lab.cut()
    cell.pair.start(cell.pair.a)
    cell.pair.wait(cell.pair.a, state="unconfirmed", link="waiting")


def handed_over(cell):
    cell.load.stop()
    settle(cell.pair)
    cell.pair.a.run("lvrctl demote g0")
    for node in cell.pair.nodes:
        cell.pair.wait(node, state="standby", link="idle")
    cell.serves = cell.pair.b


def promoting(cell):
    handed_over(cell)
    settle(cell.pair)       # else what is held may be a note of the hand-over, behind which the promotion waits
    cell.hold("log")
    cell.node.run("dmsetup message g0 0 promote")
    cell.wait_held()


def demoting(cell):
    cell.load.stop()
    settle(cell.pair)
    cell.hold("log")
    cell.node.spawn("dmsetup message g0 0 demote")
    cell.wait_held()
    cell.serves = cell.pair.b


def starting(held):
    """After a loss of power, with a log that has writes to both volumes which are not checkpointed."""
    def bring(cell):
        pair, node = cell.pair, cell.node
        cell.hold("v0")
        cell.load.run_until(3 * RUN_ON)
        node.power_cut(cell.seed)
        cell.crashed = True
        node.start()
        pair.make_below(node)
        pair.configure(node)
        cell.hold(held)
        start = node.spawn("lvrctl start g0")
        cell.wait_held()
        start.kill(9)       # else it is the one that has the group
    return bring


@dataclass(frozen=True)
class State:
    """How a pair comes into it, and how the node is then, with any of these links. Of one that passes by
    its name, and how the node is when it has passed."""
    bring: Callable
    node: str
    state: str
    links: tuple
    io: str = GOES_ON
    passes: str = ""
    options: dict = field(default_factory=dict)     # of the pair

    @property
    def serves(self):
        """The writer writes on the node."""
        return self.node == "alpha" and self.io != NOBODY

    @property
    def peer_serves(self):
        return self.node == "beta" and self.io != NOBODY

    @property
    def starts(self):
        """The node is on its way from a loss of power, and was the primary."""
        return self.passes in ("recovering", "replaying")

    @property
    def connected(self):
        return not set(self.links) & {"waiting", "standalone"}


ROOMY = {"log_mib": 256}

STATES = {
    "primary, streaming": State(streaming, "alpha", "active", ("streaming",)),
    "primary, catching up": State(catching_up, "alpha", "active", ("catching-up", "streaming")),
    "primary, syncing": State(syncing, "alpha", "active", ("syncing",)),
    "primary, peer away": State(peer_away, "alpha", "active", ("waiting",), options=ROOMY),
    "primary, log full": State(log_full, "alpha", "active", ("waiting",), WAITS, options={"log_mib": 16}),
    "primary, standalone": State(standalone, "alpha", "active", ("standalone",), options=ROOMY),
    "recovering": State(starting("log"), "alpha", "active", ("streaming",), NOBODY, "recovering"),
    "replaying": State(starting("v0"), "alpha", "active", ("streaming",), NOBODY, "replaying"),
    "unconfirmed": State(unconfirmed, "alpha", "unconfirmed", ("waiting",), NOBODY),
    "promoting": State(promoting, "beta", "active", ("streaming",), NOBODY, "promoting"),
    "demoting": State(demoting, "alpha", "standby", ("idle",), NOBODY, "demoting"),
    "handed over": State(handed_over, "alpha", "standby", ("idle",), NOBODY),
    "secondary, streaming": State(streaming, "beta", "standby", ("streaming",)),
    "secondary, catching up": State(catching_up, "beta", "standby", ("catching-up", "streaming")),
    "secondary, syncing": State(syncing, "beta", "standby", ("syncing",)),
}
