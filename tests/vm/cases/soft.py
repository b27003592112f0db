"""A pair whose devices can be made to fail."""
from pair import Pair

SLOW_FLUSH_MS = 2500
SLOW_MS = 1200
HELD_MS = 3600 * 1000   # longer than any test
KINDS = {"slow": "delay", "held": "delay"}


class SoftPair(Pair):
    """Log and volumes lie on dm devices whose table a case can change."""

    def conf(self, **changes):
        return super().conf(**changes).replace("/dev/disk/rig/", "/dev/mapper/below-")

    def start(self, node, timeout=60, **changes):
        self.make_below(node)
        return super().start(node, timeout, **changes)

    def create(self):
        for node in self.nodes:
            self.make_below(node)
        super().create()

    def make_below(self, node):
        for name in ("log", *self.volumes):
            node.run(f"[ -e /dev/mapper/below-{name} ] || dmsetup create below-{name} "
                     f"--table '{self.below(node, name)}'")

    def below(self, node, name, target="linear"):
        disk = f"/dev/disk/rig/{name} 0"
        arguments = {"linear": disk, "error": "", "flakey": f"{disk} 0 3600 1 error_writes",
                     "delay": f"{disk} 0 {disk} 0 {disk} {SLOW_FLUSH_MS}", "slow": f"{disk} {SLOW_MS}",
                     "held": f"{disk} 0 {disk} 0 {disk} {HELD_MS}"}
        return f"0 {node.disks[name].size >> 9} {KINDS.get(target, target)} {arguments[target]}"

    def swap(self, node, name, target):
        """From now on the device below is of this target: linear works, error refuses all but
        flushes, flakey refuses writes and flushes, delay makes flushes slow, slow all of it, held keeps
        flushes until the next swap, which lets them go."""
        node.run(f"""set -e
            dmsetup suspend --noflush --nolockfs below-{name}
            dmsetup reload below-{name} --table '{self.below(node, name, target)}'
            dmsetup resume below-{name}""")

    def delayed(self, node, name):
        """How many reads, writes and flushes a device below that is slow, or held, keeps back at present."""
        words = node.run(f"dmsetup status below-{name}").out.split()
        return [int(word) for word in words[3:6]] if words[2] == "delay" else [0, 0, 0]

    def volume_origin(self, node, volume):
        """What the volume's target says of its origin."""
        return node.run(f"dmsetup status {self.group}-{volume}").out.split("origin=")[1].strip()
