"""The states and faults of the matrix, and the rule that says what a fault does in a state."""
from dataclasses import dataclass
from typing import Callable

from kit import fill
from pair import Load

RUN_ON = 20     # writes that show that I/O goes on
REFUSED_OR_LOST = (0, 6)    # of `lvrctl stop` on a failed log: it says what the devices lack


class Cell:
    """A pair in a state: the node that the fault happens to, its peer, and a writer on alpha. `serves` is the
    node that is primary when all is well again, `down` are those that a fault ended."""

    def __init__(self, pair, seed, state):
        self.pair, self.seed, self.state = pair, seed, state
        self.node, self.peer = pair.nodes if state.node == "alpha" else pair.nodes[::-1]
        self.serves = pair.a
        self.down = []
        self.load = Load(pair, pair.a, seed=seed, blocks=256)
        self.load.run_until(RUN_ON)

    @property
    def writes(self):
        return self.state.writer and self.load.job.poll() is None

    def io(self):
        """What became of the writer: it goes on or fails, else this does not end."""
        if not self.state.writer:
            return "nobody writes"
        if self.pair.a in self.down:
            return "I/O gone"
        target = self.load.done + RUN_ON
        self.pair.lab.wait(lambda: self.load.done >= target or self.load.job.poll() is not None,
                           timeout=120, what="the writer to go on or to fail")
        return "I/O goes on" if self.load.job.poll() is None else "I/O fails"


# ---------------------------------------------------------------- states
# each begins with a streaming pair, alpha its primary and written to

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
    cell.pair.a.run("lvrctl demote g0")
    cell.pair.wait(cell.pair.a, link="idle")
    cell.serves = cell.pair.b


@dataclass(frozen=True)
class State:
    """How a pair comes into it, and how the node is then: any of these links."""
    bring: Callable
    node: str
    state: str
    links: tuple
    writer: bool = True

    @property
    def primary(self):
        return self.state == "active"


STATES = {
    "primary, streaming": State(streaming, "alpha", "active", ("streaming",)),
    "primary, catching up": State(catching_up, "alpha", "active", ("catching-up", "streaming")),
    "primary, peer away": State(peer_away, "alpha", "active", ("waiting",)),
    "primary, standalone": State(standalone, "alpha", "active", ("standalone",)),
    "unconfirmed": State(unconfirmed, "alpha", "unconfirmed", ("waiting",), writer=False),
    "handed over": State(handed_over, "alpha", "standby", ("idle",), writer=False),
    "secondary, streaming": State(streaming, "beta", "standby", ("streaming",)),
    "secondary, catching up": State(catching_up, "beta", "standby", ("catching-up", "streaming")),
}


# ---------------------------------------------------------------- faults
# what happens; heal() ends them all

def below(name, target):
    return lambda cell: cell.pair.swap(cell.node, name, target)


def origin_errors(cell):
    """Noticed when something is next written there; who has no writer does not notice."""
    cell.pair.swap(cell.node, "v1", "error")
    if cell.state.writer:
        cell.pair.lab.wait(lambda: cell.pair.volume_origin(cell.node, "v1") != "ok", timeout=120,
                           what="the origin's errors to be noticed")


def cut(cell):
    cell.pair.lab.cut()


def lose_power(which):
    def inject(cell):
        node = getattr(cell, which)
        node.power_cut(cell.seed)
        cell.down.append(node)
    return inject


def all_devices(there, back):
    """A command for each device of the group, the volumes first, then another, the group first; D stands for it."""
    def inject(cell):
        names = [f"{cell.pair.group}-{volume}" for volume in cell.pair.volumes] + [cell.pair.group]
        lines = [there.replace("D", name) for name in names] + [back.replace("D", name) for name in names[::-1]]
        cell.node.run("\n".join(["set -e", *lines]), timeout=120)
    return inject


def unload(cell):
    assert cell.node.run("rmmod dm-lvr", check=False).rc != 0


def stop(cell):
    """Refused where a volume is open."""
    is_open = cell.state.primary and cell.writes
    result = cell.node.run("lvrctl stop g0", check=False, timeout=120)
    assert (result.rc != 0) == is_open, result.out + result.err
    if not is_open:
        cell.down.append(cell.node)


FAULTS = {
    "log errors": below("log", "error"),
    "log slow": below("log", "slow"),
    "origin errors": origin_errors,
    "peer vanishes": cut,
    "peer loses power": lose_power("peer"),
    "node loses power": lose_power("node"),
    "suspend, resume": all_devices("dmsetup suspend D", "dmsetup resume D"),
    "suspend --noflush, resume": all_devices("dmsetup suspend --noflush D", "dmsetup resume D"),
    "table reload": all_devices("dmsetup table D | dmsetup load D; dmsetup suspend D", "dmsetup resume D"),
    "rmmod": unload,
    "lvrctl stop": stop,
}


# ---------------------------------------------------------------- the rule

def expected(state, fault):
    """The states and links of which the node must have one, none if it is down, and what becomes of I/O."""
    states, links, io = {state.state}, set(state.links), "I/O goes on" if state.writer else "nobody writes"
    connected = not links & {"waiting", "standalone"}
    if fault == "log errors" and state.writer:
        states, links = {"failed"}, {"waiting", "standalone"}
        io = "I/O fails" if state.primary else io
    elif fault == "log errors":
        # noticed when the log is next written
        states, links = states | {"failed"}, links | {"waiting"}
    elif fault == "origin errors" and state.primary:
        io = "I/O fails"
    elif fault in ("peer vanishes", "peer loses power") and connected:
        links = {"waiting"}
        if fault == "peer loses power" and state.writer and not state.primary:
            io = "I/O gone"
    elif fault == "node loses power" or fault == "lvrctl stop" and not state.primary:
        states, links = set(), set()
        if fault == "node loses power" and state.primary:
            io = "I/O gone"
    return states, links, io


def heal(cell):
    """What an operator does: devices and link work again, what is off or failed is started, who is to serve
    is promoted."""
    pair = cell.pair
    pair.lab.heal()
    for node in cell.down:
        if node.running:
            pair.start(node)
        else:
            pair.reboot(node)
    if cell.node not in cell.down:
        for name in ("log", "v1"):
            pair.swap(cell.node, name, "linear")
        restart_failed(cell)
    if pair.status(cell.node)["link"] == "standalone":
        cell.node.run("lvrctl connect g0")
    if cell.serves is pair.b:
        pair.b.run("lvrctl promote g0", timeout=120)


def restart_failed(cell):
    if cell.pair.status(cell.node)["state"] != "failed":
        return
    if cell.state.primary:
        cell.load.job.wait(timeout=60, check=False)
    result = cell.node.run("lvrctl stop g0", check=False, timeout=120)
    assert result.rc in REFUSED_OR_LOST, result.out + result.err
    cell.pair.start(cell.node)
