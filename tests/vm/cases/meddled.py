"""A pair whose connections go through a meddler (tools/meddler.c)."""
from kit import fill, refused
from pair import Pair

DOOR = 7900     # of the meddler, at alpha


def take_back(pair):
    """alpha has handed over, takes it back by force behind a cut link, serves, and is demoted again. Its head then."""
    pair.a.run("lvrctl demote g0")
    pair.wait(pair.b, destaged=pair.status(pair.a)["head"])
    pair.a.run("lvrctl disconnect g0 && lvrctl promote g0 --force")
    fill(pair.a, pair.device("v0"), 1)
    refused(pair.a, "lvrctl demote g0", "not handed over to beta")
    return pair.status(pair.a)["head"]


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

    def reboot(self, node, *words, **changes):
        """alpha's meddler went with its machine. With words there is another one before the group starts."""
        node.start()
        if node is self.a:
            self.meddler = None
        if words:
            self.through(*words)
        return self.start(node, **changes)

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
