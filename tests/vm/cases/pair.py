"""Two machines with a replicated group: what most cases start from."""
import hashlib
from concurrent.futures import ThreadPoolExecutor

from rig import Disk

KEY = "00112233445566778899aabbccddeeff" * 2

class Pair:
    """alpha holds the data (source), beta is its replica (target). `a` and `b` are the nodes."""

    def __init__(self, lab, volumes=2, log_mib=64, volume_mib=24, volatile=True, blocks=(512, 512),
                 log_blocks=None, group="g0", smp=2, mem_mib=None, recorded=False, **options):
        self.lab = lab
        self.group = group
        self.volumes = [f"v{i}" for i in range(volumes)]
        self.options = {"stage-mib": 8, "ping-ms": 300 * lab.slowness,
                        "timeout-ms": 3000 * lab.slowness} | options
        self.nodes = []
        # unless told otherwise one log has blocks of 512 bytes, the other shows such, as most disks, and has 4096
        for name, block, log_block, physical in zip(("alpha", "beta"), blocks, log_blocks or (512, 512),
                                                    log_blocks or (512, 4096), strict=True):
            kind = {"recorded": True} if recorded else {"volatile": volatile}
            disks = [Disk("log", mib=log_mib, logical_block=log_block, physical_block=physical, **kind)]
            disks += [Disk(v, mib=volume_mib, logical_block=block, **kind) for v in self.volumes]
            if recorded:
                disks.append(Disk("notes", mib=1, recorded=True))
            self.nodes.append(lab.node(name, disks=disks, smp=smp, mem_mib=mem_mib))
        self.a, self.b = self.nodes
        self.block_size = max(blocks)

    # configuration

    def conf(self, **changes):
        """Text of the group's configuration, the same on both nodes."""
        options = {key.replace("_", "-"): value for key, value in (self.options | changes).items()}
        lines = ["[group]", *(f"{key} = {value}" for key, value in options.items()
                              if value is not None)]
        if options.get("auth") != "none":
            lines.append(f"key-file = /etc/lvr/{self.group}.key")
        for number, node in enumerate(self.nodes):
            lines += [f"[node {node.name}]", f"id = {number}", f"address = {node.address}:7794",
                      "log = /dev/disk/rig/log"]
        for number, volume in enumerate(self.volumes):
            lines += [f"[volume {volume}]", f"id = {number}", f"device = /dev/disk/rig/{volume}"]
            if self.block_size > 512:
                lines.append(f"block-size = {self.block_size}")
        return "\n".join(lines) + "\n"

    def configure(self, node, key=KEY, **changes):
        """Writes configuration and key; the root of a small guest forgets them at each start."""
        file = f"/etc/lvr/{self.group}"
        node.run(f"mkdir -p /etc/lvr; cat >{file}.conf; umask 077; echo {key} >{file}.key",
                 input=self.conf(**changes).encode())

    # going up and down

    def create(self):
        """Formats both logs; the machines run already."""
        def one(node, side):
            self.configure(node)
            node.run(f"lvrctl create {self.group} {side}")
        with ThreadPoolExecutor() as pool:
            list(pool.map(one, self.nodes, ("--source", "--target")))

    def start(self, node, timeout=60, **changes):
        """Brings the group up on a running machine."""
        self.configure(node, **changes)
        return node.run(f"lvrctl start {self.group}", timeout=timeout)

    def reboot(self, node, **changes):
        """Powers a machine that is off up again and starts the group."""
        node.start()
        return self.start(node, **changes)

    def up(self, synced=True):
        """From nothing to a replicating group, alpha primary."""
        self.lab.start()
        self.create()
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.start, self.nodes))
        self.a.run(f"lvrctl promote {self.group}")
        if synced:
            self.wait_synced()
        return self

    def wait_synced(self, primary=None):
        """Until the other node has everything and is consistent."""
        primary = primary or self.a
        other = self.b if primary is self.a else self.a
        self.wait(other, consistent=1, link="streaming")
        self.wait(primary, link="streaming")

    def failover(self, node):
        """Takes over once the node has noticed that the primary is gone; lvrctl's exit code."""
        self.wait(node, link="waiting")
        result = node.run(f"lvrctl failover {self.group} --force", check=False)
        assert result.rc in (0, 10), result.out + result.err
        self.wait(node, role="primary", state="active")
        return result

    # looking

    def status(self, node):
        """The group's status line as a dict; numbers are int."""
        line = node.run(f"dmsetup status {self.group}").out.split(None, 3)[3]
        fields = dict(word.split("=", 1) for word in line.split())
        return {key: int(value) if value.isdigit() and key not in ("generation", "chain") else value
                for key, value in fields.items()}

    def wait(self, node, timeout=90, **wanted):
        """Until the status fields of a node are as wanted; a callable is asked."""
        last = {}

        def reached():
            last.update(self.status(node))
            return all(value(last[key]) if callable(value) else last[key] == value
                       for key, value in wanted.items())
        try:
            self.lab.wait(reached, timeout=timeout, what=f"{node.name} to be {wanted}")
        except Exception as error:
            raise AssertionError(f"{error}; status of {node.name}: {last}\n"
                                 f"{node.run('dmesg | tail -30').out}") from error
        return last

    def device(self, volume):
        return f"/dev/mapper/{self.group}-{volume}"

    def devices(self):
        return " ".join(self.device(v) for v in self.volumes)

    def raw(self):
        """The origins; for looking at a node whose group is stopped."""
        return " ".join(f"/dev/disk/rig/{v}" for v in self.volumes)

    def stop(self, node, timeout=60):
        return node.run(f"lvrctl stop {self.group}", timeout=timeout)

    def digests(self, node):
        """Digest of each origin, read by the host; the group is stopped there or idle."""
        disks = [node.disks[v] for v in self.volumes]
        return [hashlib.md5(disk.read(0, disk.size)).hexdigest() for disk in disks]

    def assert_equal(self):
        """Both nodes hold the same bytes: the primary writes nothing, everything is applied."""
        primary = self.status(self.a)["role"] == "primary"
        source, other = (self.a, self.b) if primary else (self.b, self.a)
        head = self.status(source)["head"]
        self.wait(source, destaged=head, durable=head)
        self.wait(other, destaged=head)
        assert self.digests(self.a) == self.digests(self.b)


# a writer whose peer is away for as long as a link or a machine needs to come back: the log has room, however
# fast this machine is
SLOW = 200      # writes a second


class Load:
    """The prefix oracle's writer on a node, and the promises it was given."""

    def __init__(self, pair, node, seed=1, depth=8, flush_every=16, block=4096, blocks=1024, devices="",
                 per_second=None):
        self.pair, self.node, self.seed, self.block, self.blocks = pair, node, seed, block, blocks
        self.devices = devices or pair.devices()
        how = "ORACLE_NOTES=/dev/disk/rig/notes " if "notes" in node.disks else ""
        how += f"ORACLE_PER_SECOND={per_second} " if per_second else ""
        self.job = node.spawn(f"{how}oracle write {seed} {depth} {flush_every} {block} {blocks} "
                              f"{self.devices}")

    def _last(self, word):
        numbers = [int(line.split()[1]) for line in self.job.out.splitlines()
                   if line.startswith(word + " ") and line[-1].isdigit()]
        return max(numbers, default=0)

    @property
    def done(self):
        """All writes up to it were acknowledged."""
        return self._last("done")

    @property
    def flushed(self):
        """All writes up to it were acknowledged, and then a flush of every volume."""
        return self._last("flushed")

    def run_until(self, writes, timeout=120):
        """Waits for so many more writes."""
        target = self.done + writes
        self.pair.lab.wait(lambda: self.done >= target or self.job.poll() is not None,
                           timeout=timeout, what=f"{writes} writes")
        assert self.job.poll() is None, f"the writer ended: {self.job.err}"

    def stop(self, failed=False):
        """Ends it; until now no write had failed, unless that is possible here."""
        self.job.kill(15)
        result = self.job.wait(timeout=30, check=False)
        assert failed or result.rc == -15, f"the writer had ended: {result.rc} {result.err}"

    def check(self, node, promised, devices=None):
        """The volumes of a node are one prefix, and hold what was promised."""
        result = node.run(f"oracle check {self.seed} {promised} {self.block} {self.blocks} "
                          f"{devices or self.devices}", check=False, timeout=120)
        assert result.rc == 0, result.out + result.err
        return int(result.out.split("prefix ")[1].split()[0])


def wipe(node, devices, mib=4):
    """Zeroes where the oracle writes, so that an earlier run's stamps are gone."""
    for device in devices.split():
        node.run(f"dd if=/dev/zero of={device} bs=1M count={mib} oflag=direct conv=fsync 2>/dev/null")
