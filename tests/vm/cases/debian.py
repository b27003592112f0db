"""LVR on two Debian machines, installed as its package would: what test_debian.py and scripts/demo
start from. Logs and volumes are LVs of a VG on one disk per node."""
from pair import KEY, Pair
from rig import Disk, paths

PROGRAM = "/usr/sbin/lvrctl"
NETWORK = """[Match]
Name=eth0
[Link]
MACAddress=52:54:00:00:00:{number:02x}
RequiredForOnline=no
[Network]
LinkLocalAddressing=no
[Address]
Address={address}/32
Peer={peer}/32
"""


class DebianPair(Pair):
    """A pair whose nodes are whole systems. `volumes`: name and size in MiB of each."""

    def __init__(self, lab, volumes, group="shop", vg="vg0", log_mib=128, volatile=True, image="debian", **options):
        self.lab = lab
        self.group = group
        self.vg = vg
        self.log = f"{group}-log"
        self.sizes = {self.log: log_mib} | volumes
        self.volumes = list(volumes)
        self.options = options
        self.block_size = 512
        self.nodes = [lab.node(name, image=image,
                               disks=[Disk("disk", mib=sum(self.sizes.values()) + 32, volatile=volatile)])
                      for name in ("alpha", "beta")]
        self.a, self.b = self.nodes

    def conf(self, **changes):
        text = super().conf(**changes)
        for name in ("log", *self.volumes):
            text = text.replace(f"/dev/disk/rig/{name}\n", f"{self.lv(name)}\n")
        return text

    def lv(self, name):
        """Path of the LV of a volume, or of the "log"."""
        return f"/dev/{self.vg}/{self.log if name == 'log' else name}"

    def raw(self):
        return " ".join(map(self.lv, self.volumes))

    def digests(self, node):
        return [node.run(f"dd if={self.lv(v)} bs=1M iflag=direct 2>/dev/null | md5sum",
                         timeout=300).out.split()[0] for v in self.volumes]

    # installation

    def install(self, node, key=KEY):
        """Program, rules, unit, configuration; the address from boot on, which the rig gives later."""
        peer = self.b if node is self.a else self.a
        unit = (paths.TOP / "lvrctl/systemd/lvr@.service").read_text()
        node.run("mkdir -p /etc/lvr && install -m 755 /lvr/bin/lvrctl " + PROGRAM)
        node.put("/etc/udev/rules.d/57-lvr.rules", (paths.TOP / "lvrctl/udev/57-lvr.rules").read_text())
        node.put("/etc/systemd/system/lvr@.service", unit.replace("@sbindir@", "/usr/sbin"))
        node.put("/etc/systemd/network/10-peer.network",
                 NETWORK.format(number=node.number, address=node.address, peer=peer.address))
        node.put("/etc/hostname", node.name + "\n")
        node.run("systemctl -q enable systemd-networkd && "
                 "systemctl -q disable systemd-networkd-wait-online && "
                 "systemctl daemon-reload && udevadm control --reload && "
                 "systemctl restart systemd-networkd", timeout=120)
        self.configure(node, key)

    def make_lvs(self, node):
        lines = [f"lvcreate -q -y -W n -n {name} -L {mib}M {self.vg}" for name, mib in self.sizes.items()]
        node.run("\n".join(["set -e", "pvcreate -q /dev/disk/rig/disk",
                            f"vgcreate -q {self.vg} /dev/disk/rig/disk", *lines]), timeout=180)

    def create(self):
        for node, side in ((self.a, "--source"), (self.b, "--target")):
            node.run(f"lvrctl create {self.group} {side}", timeout=120)

    def start(self, node, timeout=120, **changes):
        """By the unit, which then starts at each boot, too, even after a power cut."""
        if changes:
            self.configure(node, **changes)
        return node.run(f"systemctl -q enable --now lvr@{self.group} && sync", timeout=timeout)

    def boot(self, node):
        """Powers a machine on whose unit brings the group up, some time after the rig gets in."""
        unit = f"lvr@{self.group}"

        def is_there():
            assert node.run(f"systemctl -q is-failed {unit}", check=False).rc != 0, \
                node.run(f"journalctl -b -o cat -u {unit}").out
            return node.run(f"dmsetup info {self.group}", check=False).rc == 0

        node.start()
        self.lab.wait(is_there, timeout=300, what=f"{unit} on {node.name}")
