"""The rule of the matrix: what is seen of a fault in a state."""
from typing import NamedTuple

from cell import FAILS, GOES_ON, GONE, WAITS
from faults import FAULTS
from states import STATES


class Seen(NamedTuple):
    """How the node is, and what becomes of I/O: one of each. No state: the node is down."""
    states: set
    links: set
    io: set


def expected(state_name, fault_name):
    state, breaks = STATES[state_name], FAULTS[fault_name].breaks
    rule = BROKEN[breaks] if breaks else OTHERS.get(fault_name, unchanged)
    return rule(state)


def unchanged(state):
    return Seen({state.state}, set(state.links), {state.io})


def log_is_written(state):
    """For sure; elsewhere it may be."""
    return state.io == GOES_ON or state.passes


def log_breaks(state):
    """Noticed when it is next written."""
    seen = unchanged(state)
    if not log_is_written(state):
        return seen._replace(states=seen.states | {"failed"}, links=seen.links | {"waiting"})
    return Seen({"failed"}, seen.links & {"standalone"} or {"waiting"}, {FAILS} if state.serves else seen.io)


def origin_breaks(state):
    """Noticed when it is next written. What replays the log stays at it, if it had not been written there before."""
    seen = unchanged(state)
    if state.starts:
        return seen._replace(states=seen.states | {"replaying"}, links=seen.links | {"waiting"})
    return seen._replace(io={FAILS}) if state.serves and state.io == GOES_ON else seen


def peers_log_breaks(state):
    """The peer leaves when it next writes there; if it is the primary, its writes fail."""
    seen = unchanged(state)
    if not state.connected:
        return seen
    if not log_is_written(state):
        return seen._replace(links=seen.links | {"waiting"})
    return seen._replace(links={"waiting"}, io={FAILS} if state.peer_serves else seen.io)


def peers_origin_breaks(state):
    return unchanged(state)._replace(io={FAILS} if state.peer_serves else {state.io})


def peer_vanishes(state):
    """Who is to be confirmed by it waits."""
    seen = unchanged(state)
    return seen._replace(states={"unconfirmed"} if state.starts else seen.states,
                         links={"waiting"} if state.connected else seen.links)


def peer_loses_power(state):
    return peer_vanishes(state)._replace(io={GONE} if state.peer_serves else {state.io})


def node_loses_power(state):
    return Seen(set(), set(), {GONE} if state.serves else {state.io})


def suspend(state):
    """Nobody waits for a peer that is away: a full log gives it up. What waited until then may fail."""
    return unchanged(state)._replace(io={GOES_ON, FAILS} if state.io == WAITS else {state.io})


def suspend_noflush(state):
    return unchanged(state)._replace(io={GOES_ON} if state.io == WAITS else {state.io})


def stop(state):
    return unchanged(state) if state.serves else Seen(set(), set(), {state.io})


BROKEN = {
    ("node", "log"): log_breaks,
    ("node", "origin"): origin_breaks,
    ("peer", "log"): peers_log_breaks,
    ("peer", "origin"): peers_origin_breaks,
}
OTHERS = {
    "peer vanishes": peer_vanishes,
    "peer loses power": peer_loses_power,
    "node loses power": node_loses_power,
    "suspend, resume": suspend,
    "suspend --noflush, resume": suspend_noflush,
    "table reload": suspend,
    "lvrctl stop": stop,
}
