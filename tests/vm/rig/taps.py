"""Links whose ends are as network cards: they take segments of up to 64 KiB and leave checksums to be computed, so
that a guest pays for each send and not for each packet. The links that QEMU makes of sockets have nothing of this.

Each link is two taps of the host on a bridge. They are made in the network namespace of this process, which has to
be its own (`unshare --net`), and end with it."""
import subprocess

PACKETS = 10000     # that a tap holds: one that is full would lose them, and the links of sockets lose none


class Taps:
    def __init__(self):
        if up := _ip("-o link show up").strip():
            raise RuntimeError("taps are made in a network namespace of one's own, where nothing is up: start this with "
                               f"unshare --net; here is\n{up}")
        self._made = set()

    def netdev(self, sender, receiver):
        """The -netdev options of the sender's end, without the id. Both ends are there from then on."""
        here, there = (f"lvr{one.number}-{other.number}" for one, other in ((sender, receiver), (receiver, sender)))
        if here not in self._made:
            self._join(here, there)
        return f"tap,ifname={here},script=no,downscript=no,vnet_hdr=on"

    def _join(self, *taps):
        bridge = f"{taps[0]}-br"
        _ip("link add", bridge, "type bridge")
        for tap in taps:
            _ip("tuntap add", tap, "mode tap vnet_hdr")
            _ip("link set", tap, f"master {bridge} mtu 9000 txqueuelen {PACKETS} up")
        _ip("link set", bridge, "up")
        self._made.update(taps)


def _ip(*words):
    return subprocess.run(["ip", *" ".join(words).split()], check=True, stdout=subprocess.PIPE, text=True).stdout
