"""The links between the two guests."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """rtt_ms and rate of the link; loss in each direction; mtu. offload: its ends cut what is sent into packets and
    compute checksums, as network cards do; without, the guests' processors do."""
    mtu: int = 1500
    offload: bool = False
    rtt_ms: float = 0
    rate_mbit: int = 0
    loss_pct: float = 0


LINKS = {
    "plain": Link(offload=True),
    "packets": Link(),
    "jumbo": Link(mtu=9000),
    "wan10": Link(rtt_ms=10, rate_mbit=100),
    "wan100": Link(rtt_ms=100, loss_pct=1),
}


def apply(lab, name):
    link = LINKS[name]
    for node in lab.nodes:
        node.run(f"ip link set eth0 mtu {link.mtu}")
    if link.rtt_ms or link.rate_mbit or link.loss_pct:
        lab.slow(delay_ms=link.rtt_ms / 2, rate_mbit=link.rate_mbit, loss_pct=link.loss_pct)


def rtt_ms(node, peer):
    """The round trip as ping sees it, the middle of its three numbers."""
    out = node.run(f"ping -q -c 10 -i 0.2 {peer.name}", timeout=60).out
    return float(out.rsplit("= ", 1)[1].split("/")[1])
