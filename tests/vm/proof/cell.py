"""A cell of the matrix: a pair that is brought into a state, has a fault, and is well again."""
from pair import Load

RUN_ON = 20     # writes that show that I/O goes on
PER_SECOND = 500        # does not fill a roomy log while a fault takes its time
STOPPED = (0, 6)        # of `lvrctl stop`: stopped, and stopped with devices that lack something
SETTLED = ("standby", "active")

GOES_ON, FAILS, WAITS, GONE, NOBODY = \
    "I/O goes on", "I/O fails", "I/O waits", "I/O gone", "nobody writes"


class Cell:
    """The node that the fault happens to, its peer, and a writer on alpha. `serves` is the node that is
    primary when all is well again, `down` are those that a fault ended, `held` is the device below whose
    flushes are kept back, so that the node's state does not pass by."""

    def __init__(self, pair, seed, state):
        self.pair, self.seed, self.state = pair, seed, state
        self.node, self.peer = pair.nodes if state.node == "alpha" else pair.nodes[::-1]
        self.serves = pair.a
        self.down = []
        self.changed = set()
        self.held = None
        self.crashed = False
        self.flood = None       # beside the writer, what has filled the log
        self.load = Load(pair, pair.a, seed=seed, blocks=256, per_second=PER_SECOND)
        self.load.run_until(RUN_ON)

    @property
    def writer(self):
        """Whether the state has a writer, and it has not ended."""
        return self.state.io != NOBODY and self.load.job.poll() is None

    # devices below

    def swap(self, node, name, target):
        self.pair.swap(node, name, target)
        self.changed.add((node, name))
        if node is self.node and name == self.held:
            self.held = None

    def hold(self, name):
        """Keeps back the flushes of a device of the node: until release(), or another fault of the device."""
        self.swap(self.node, name, "held")
        self.held = name

    def wait_held(self):
        """The node is in the state that passes by, and stays there."""
        def reached():
            text = self.node.run(f"dmsetup status {self.pair.group}", check=False).out
            return f" state={self.state.passes} " in text and " volumes=2/2 " in text and \
                self.pair.delayed(self.node, self.held)[2]
        self.pair.lab.wait(reached, timeout=90, what=f"{self.node.name} to be held {self.state.passes}")

    def release(self):
        if self.held and self.node.running:
            self.swap(self.node, self.held, "linear")

    # I/O

    def io(self):
        """What becomes of the writer: it goes on, fails, or waits because the log is full, else this does
        not end."""
        if self.state.io == NOBODY:
            return NOBODY
        if self.pair.a in self.down:
            return GONE
        target, heads = self.load.done + RUN_ON, []

        def fate():
            if self.load.job.poll() is not None:
                return FAILS
            if self.load.done >= target:
                return GOES_ON
            status = self.pair.status(self.pair.a)
            heads.append(status["head"])
            return WAITS if status["reason"].startswith("log_full") and heads[-2:] == 2 * heads[-1:] else None
        return self.pair.lab.wait(fate, timeout=120, what="the writer to go on, to wait or to fail")

    def end_writers(self):
        """The writer ends with what it was told, and nothing is written any more."""
        if self.pair.a in self.down:
            return
        if self.flood:
            self.flood.wait(timeout=120, check=False)
        if self.writer:
            self.load.stop(failed=True)

    # after the fault

    def heal(self):
        """What an operator does: devices and link work again, what is off or failed is started, who is to
        serve is promoted."""
        pair = self.pair
        pair.lab.heal()
        for node, name in self.changed:
            if node.running:
                pair.swap(node, name, "linear")
        for node in pair.nodes:
            if not node.running:
                pair.reboot(node)
            elif node in self.down:
                pair.start(node)
            else:
                self._restart_failed(node)
        if pair.status(self.node)["link"] == "standalone":
            self.node.run("lvrctl connect g0")
        if self.serves is pair.b:
            self._promote_b()

    def _restart_failed(self, node):
        """Its writer has to end first: the volumes are to be closed. What the devices lack is said."""
        if self.pair.status(node)["state"] != "failed":
            return
        if node is self.pair.a and self.writer:
            self.load.job.wait(timeout=60, check=False)
        result = node.run("lvrctl stop g0", check=False, timeout=120)
        assert result.rc in STOPPED, result.out + result.err
        self.pair.start(node)

    def _promote_b(self):
        """Unless alpha serves again: it lost its power before it had handed over."""
        a, b = self.pair.nodes
        status = self.pair.wait(a, state=SETTLED.__contains__, link=("idle", "streaming").__contains__)
        if status["state"] == "active":
            self.serves = a
        else:
            self.pair.wait(b, state=SETTLED.__contains__)
            b.run("lvrctl promote g0", timeout=120)
