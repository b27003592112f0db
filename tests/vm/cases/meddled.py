"""A pair whose connections go through a meddler (tools/meddler.c)."""
from pair import Pair

DOOR = 7900     # of the meddler, at alpha


class Meddled(Pair):
    """alpha, which connects, does so through a meddler."""

    meddler = None

    def configure(self, node, **changes):
        super().configure(node, **changes)
        if node is self.a:
            text = self.conf(**changes).replace(f"{self.b.address}:7794", f"{node.address}:{DOOR}")
            node.put(f"/etc/lvr/{self.group}.conf", text)

    def create(self):
        super().create()
        self.through()

    def through(self, *words):
        """From now on through a meddler that was told so; without words it only relays. A running
        group connects at once."""
        if self.meddler and self.meddler.poll() is None:
            self.meddler.kill(9)
            self.meddler.wait(check=False)
        self.meddler = self.a.spawn(f"exec meddler {DOOR} {self.b.address} 7794 {' '.join(words)}")
        self.lab.wait(lambda: "ready" in self.meddler.out or self.meddler.poll() is not None,
                      what="the meddler")
        assert self.meddler.poll() is None, self.meddler.err
        self.a.run("! dmsetup info g0 >/dev/null 2>&1 || lvrctl connect g0")
