"""What is measured: each configuration makes devices to write to of the devices below, in two guests.

All settings are what each system has by default, but for the staging memory of LVR, which is as large
as the log."""
import re

PORT = 7788
GROUP = "bench"
KEY = "8f" * 32


class Config:
    """up() makes `devices`, settle() waits until all that was written is on the volumes, down() takes
    all away. primary writes, secondary is its peer."""
    replicated = False
    has_log = False
    span_mib = 112          # what is used of each device; DRBD's metadata lies behind it

    def __init__(self, lab, primary, secondary):
        self.lab, self.primary, self.secondary = lab, primary, secondary
        self.nodes = (primary, secondary)
        self.devices = ()

    def up(self, below, volumes):
        """below: the Devices, the same in both guests."""
        raise NotImplementedError

    def settle(self):
        self.primary.run("sync")

    def down(self):
        pass


class Raw(Config):
    def up(self, below, volumes):
        self.devices = below.volumes[:volumes]


class Linear(Config):
    def up(self, below, volumes):
        self.devices = [f"/dev/mapper/linear{i}" for i in range(volumes)]
        for number, path in enumerate(below.volumes[:volumes]):
            _create(self.primary, f"linear{number}", f"0 {below.sectors} linear {path} 0")

    def down(self):
        _remove(self.primary, *self.devices)


class Writecache(Config):
    """Each volume has its part of the log device for a cache."""
    has_log = True

    def up(self, below, volumes):
        self.devices = [f"/dev/mapper/wc{i}" for i in range(volumes)]
        part = (below.log_mib << 11) // volumes
        for number, path in enumerate(below.volumes[:volumes]):
            _create(self.primary, f"cache{number}", f"0 {part} linear {below.log} {number * part}")
            _create(self.primary, f"wc{number}", f"0 {below.sectors} writecache s {path} "
                    f"/dev/mapper/cache{number} 4096 0")

    def settle(self):
        for device in self.devices:     # returns when all has been written back
            self.primary.run(f"dmsetup message {device} 0 flush", timeout=600)

    def down(self):
        _remove(self.primary, *self.devices)
        _remove(self.primary, *(device.replace("wc", "cache") for device in self.devices))


class Drbd(Config):
    """The kernel's own DRBD, metadata at the end of each volume, all volumes in one connection."""
    replicated = True
    protocol = None

    def up(self, below, volumes):
        self.devices = [f"/dev/drbd{i}" for i in range(volumes)]
        for node, peer in (self.nodes, self.nodes[::-1]):
            _tool(node, "modprobe drbd usermode_helper=disabled; mkdir -p /var/lib/drbd /var/lock", "drbdsetup new-resource r0")
            for number, path in enumerate(below.volumes[:volumes]):
                _tool(node, f"drbdmeta --force {number} v08 {path} internal create-md",
                      f"drbdsetup new-minor r0 {number} {number}", f"drbdsetup attach {number} {path} {path} internal")
            _tool(node, f"drbdsetup connect r0 ipv4:{node.address}:{PORT} ipv4:{peer.address}:{PORT} "
                  f"--protocol={self.protocol}")
        for number in range(volumes):
            self._wait(f"{number}: cs:Connected")
            # both are empty: nothing to synchronise
            _tool(self.primary, f"drbdsetup new-current-uuid --clear-bitmap {number}")
            self._wait(f"{number}: cs:Connected ro:Secondary/Secondary ds:UpToDate/UpToDate")
            _tool(self.primary, f"drbdsetup primary {number}")

    def _wait(self, words):
        self.lab.wait(lambda: words in self._proc(), timeout=120, what=f"DRBD to say {words}")

    def _proc(self):
        return self.primary.run("cat /proc/drbd").out

    def settle(self):
        """Nothing is pending on the primary, its peer included."""
        super().settle()
        self.lab.wait(lambda: not re.search(r" (ap|pe|ua|lo):[1-9]", self._proc()), timeout=600,
                      what="DRBD to have nothing pending")

    def down(self):
        for node in self.nodes:
            _tool(node, "drbdsetup down r0", "rmmod drbd")


class DrbdA(Drbd):
    protocol = "A"


class DrbdC(Drbd):
    protocol = "C"


class Lvr(Config):
    """A group; without a link the secondary never comes up, and the log is kept for nobody."""
    has_log = True
    mode = "async"
    stage_mib = None        # as large as the log

    def conf(self, below, volumes):
        lines = ["[group]", f"mode = {self.mode}", f"key-file = /etc/lvr/{GROUP}.key",
                 f"stage-mib = {self.stage_mib or below.log_mib}"]
        for number, node in enumerate(self.nodes):
            lines += [f"[node {node.name}]", f"id = {number}", f"address = {node.address}:7794",
                      f"log = {below.log}"]
        for number, path in enumerate(below.volumes[:volumes]):
            lines += [f"[volume v{number}]", f"id = {number}", f"device = {path}"]
        return "\n".join(lines) + "\n"

    def up(self, below, volumes):
        self.start(below, volumes)
        self.promote()
        self.settle()

    def start(self, below, volumes):
        """Makes the group; nobody is primary yet."""
        self.devices = [f"/dev/mapper/{GROUP}-v{i}" for i in range(volumes)]
        for node, side in zip(self._members(), ("--source", "--target"), strict=False):
            self.configure(node, below, volumes)
            node.run(f"lvrctl create {GROUP} {side} && lvrctl start {GROUP}", timeout=120)

    def configure(self, node, below, volumes):
        node.run("mkdir -p /etc/lvr")
        node.put(f"/etc/lvr/{GROUP}.conf", self.conf(below, volumes))
        node.put(f"/etc/lvr/{GROUP}.key", KEY + "\n", 0o600)

    def promote(self):
        """With a peer there is a full synchronisation."""
        self.primary.run(f"lvrctl promote {GROUP}", timeout=120)
        if self.replicated:
            self.wait(self.secondary, consistent="1", link="streaming")

    def _members(self):
        return self.nodes if self.replicated else (self.primary,)

    def status(self, node):
        line = node.run(f"dmsetup status {GROUP}").out.split(None, 3)[3]
        return dict(word.split("=", 1) for word in line.split())

    def wait(self, node, **wanted):
        """Until the status fields of a node are as wanted."""
        self.lab.wait(lambda: wanted.items() <= self.status(node).items(), timeout=600,
                      what=f"{node.name} to be {wanted}")

    def settle(self):
        head = self.status(self.primary)["head"]
        for node in self._members():
            self.wait(node, destaged=head)

    def down(self):
        for node in self._members():
            node.run(f"lvrctl stop {GROUP}", timeout=300)


class LvrAsync(Lvr):
    replicated = True


class LvrSync(Lvr):
    replicated = True
    mode = "sync"


CONFIGS = {
    "raw": Raw,
    "linear": Linear,
    "writecache": Writecache,
    "drbd-a": DrbdA,
    "drbd-c": DrbdC,
    "lvr-none": Lvr,
    "lvr-async": LvrAsync,
    "lvr-sync": LvrSync,
}


def _create(node, name, table):
    node.run(f"dmsetup create {name} --table '{table}'")


def _remove(node, *devices):
    node.run("set -e\n" + "\n".join(f"dmsetup remove {device}" for device in devices), timeout=300)


def _tool(node, *commands):
    """Runs tools that have libraries with them."""
    node.run("\n".join(["set -e; export LD_LIBRARY_PATH=/lvr/lib", *commands]), timeout=120)
