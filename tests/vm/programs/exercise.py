"""The exercise that a program goes through on two machines: it works on volumes while they replicate, and
judges the copy itself, after a switch-over and after a takeover from a primary that lost its power."""
import re

from debian import DebianPair
from kit import settle

MIB = 1 << 20
SECONDS = 300       # the limit for what a program does in one go


class Program:
    """What a program brings to the exercise. A kind of program is a class; its volumes are mounted as /srv/NAME,
    if it uses file systems."""

    volumes = {"data": 64}      # name and size in MiB
    mode = "async"
    mkfs, kind, options = "mkfs.ext4 -q", "ext4", "defaults"

    def __init__(self, pair):
        self.pair = pair
        self.devices = {name: pair.device(name) for name in pair.volumes}

    def format(self, node):
        for device in self.devices.values():
            node.run(f"{self.mkfs} {device}", timeout=SECONDS)

    def mount(self, node):
        for name, device in self.devices.items():
            node.run(f"mkdir -p /srv/{name} && mount -t {self.kind} -o {self.options} {device} /srv/{name}",
                     timeout=SECONDS)

    def unmount(self, node):
        for name in self.devices:
            node.run(f"umount /srv/{name}", timeout=SECONDS)

    def make(self, node):
        """Puts on the new volumes what the program needs there."""

    def work(self, node):
        """Begins a load that ends by itself, and fails if the program finds anything wrong: a Job."""
        raise NotImplementedError

    def rest(self, node):
        """Leaves the volumes after work()."""
        self.unmount(node)

    def endless(self, node):
        """Begins a load for a power cut: a Job."""
        raise NotImplementedError

    def promised(self, node, job):
        """What of the endless load has to be on every copy that has all that was acknowledged until now."""

    def check(self, node, promised=None):
        """What the program has to complain of in the volumes of a primary, all of it, a list of texts; and what
        of the promised is not there. Nothing uses the volumes before, nor afterwards."""
        raise NotImplementedError

    def spoil(self, node):
        """Damages the volumes of a primary, and returns what check() must complain of: patterns."""
        raise NotImplementedError


def complaints(node, commands):
    """Runs all commands; what those say that fail."""
    results = [(command, node.run(f"({command}) 2>&1", timeout=SECONDS, check=False)) for command in commands]
    return [f"{command}: status {result.rc}: {result.out}" for command, result in results if result.rc]


class Exercise:
    """alpha works, and hands over to beta. beta works and loses its power, alpha takes over; then the other way."""

    def __init__(self, lab, kind):
        lab.poll_seconds = 0.5      # looking costs the guests time
        self.lab = lab
        self.pair = DebianPair(lab, kind.volumes, image="programs", mode=kind.mode)
        self.primary, self.other = self.pair.nodes
        self.program = kind(self.pair)

    def run(self):
        self.up()
        self.work_across_an_outage()
        self.switch_over()
        for seed in (1, 2):
            self.take_over(seed)
            self.bring_back()
        self.spoil()

    def say(self, text):
        print(f"{self.program.__class__.__name__}: {text}", flush=True)

    def lvrctl(self, node, verb, options=""):
        node.run(f"lvrctl {verb} {self.pair.group} {options}", timeout=120)

    def swap(self):
        self.primary, self.other = self.other, self.primary

    def check(self, promised=None):
        """The program is content with the volumes of the primary."""
        found = self.program.check(self.primary, promised)
        assert not found, "\n".join(found)

    def assert_equal(self):
        """Both nodes hold the same bytes; nothing uses the volumes."""
        self.pair.wait_synced(self.primary)
        self.pair.assert_equal()

    def wrote(self, records, job):
        """Waits until so many more were written on the primary, by a job that goes on."""
        wanted = self.pair.status(self.primary)["head"] + records

        def enough():
            assert job.poll() is None, f"the load ended too early: {job.out}{job.err}"
            return self.pair.status(self.primary)["head"] >= wanted
        self.lab.wait(enough, timeout=SECONDS, what=f"{records} writes")

    # the story

    def up(self):
        """A replicating group."""
        self.lab.start()
        for node in self.pair.nodes:
            self.pair.install(node)
            self.pair.make_lvs(node)
        self.pair.create()
        for node in self.pair.nodes:
            self.pair.start(node)
        self.lvrctl(self.primary, "promote")
        self.pair.wait_synced(self.primary)

    def work_across_an_outage(self):
        """The program works; its peer is away for a while and catches up. Then both hold the same bytes."""
        self.program.make(self.primary)
        job = self.program.work(self.primary)
        self.wrote(100, job)
        self.lab.cut()
        self.pair.wait(self.primary, link="waiting")
        self.wrote(100, job)
        self.lab.heal()
        job.wait(SECONDS)
        self.say(f"worked: {job.out}")
        self.program.rest(self.primary)
        self.assert_equal()

    def switch_over(self):
        """The program finds its data on the other node."""
        self.lvrctl(self.primary, "demote")
        self.lvrctl(self.other, "promote")
        self.swap()
        self.check()
        self.assert_equal()

    def take_over(self, seed):
        """The primary loses its power in the middle of a load. Whatever was acknowledged when the other node was
        seen to have everything is there, and sound."""
        job = self.program.endless(self.primary)
        self.wrote(300, job)
        promised = self.program.promised(self.primary, job)
        if self.program.mode == "sync":
            self.pair.wait(self.primary, in_sync=1)
        else:
            settle(self.pair, self.primary)
        assert job.poll() is None, f"the load ended too early: {job.out}{job.err}"
        self.primary.power_cut(seed)
        self.pair.failover(self.other)
        self.swap()
        self.check(promised)
        self.say(f"power cut {seed}: {self.primary.name} took over, and all is sound")

    def bring_back(self):
        """The old primary follows; if it had written what the new one never got, that is given up."""
        self.pair.boot(self.other)
        self.lab.wait(lambda: self.pair.status(self.other)["link"] in ("refused", "streaming"), timeout=120,
                      what=f"{self.other.name} to hear from its peer")
        if self.pair.status(self.other)["link"] == "refused":
            self.lvrctl(self.other, "connect", "--discard")
        self.assert_equal()

    def spoil(self):
        """Comparison and checks can fail: a copy that was changed behind LVR's back differs, and the program
        finds what is damaged."""
        volume = self.pair.lv(self.pair.volumes[-1])
        self.other.run(f"printf spoilt | dd of={volume} bs=1 seek={MIB} conv=notrunc,fsync 2>/dev/null")
        assert self.pair.digests(self.primary) != self.pair.digests(self.other)
        patterns = self.program.spoil(self.primary)
        found = "\n".join(self.program.check(self.primary))
        for pattern in patterns:
            assert re.search(pattern, found, re.DOTALL), f"{pattern} was not found: {found}"
        self.say(f"finds what was spoilt: {found}")
