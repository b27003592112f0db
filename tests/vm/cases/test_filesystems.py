"""File systems on the volumes, and planned switch-overs."""
import pytest
from kit import assert_same_bytes, refused, settle
from pair import Load, Pair

MKFS = {"ext4": "mkfs.ext4 -q -F", "xfs": "mkfs.xfs -q -f"}
CHECK = {"ext4": "e2fsck -fn", "xfs": "xfs_repair -n"}

# Many small files, renames, deletions, a big file written in place, some of it made durable.
WORK = """
set -e
cd /mnt
mkdir -p run{n}/deep/er
for i in $(seq 60); do
    head -c $((i * 300)) /dev/urandom >run{n}/f$i
done
for i in $(seq 1 3 60); do mv run{n}/f$i run{n}/deep/g$i; done
for i in $(seq 2 3 60); do rm run{n}/f$i; done
ln run{n}/f3 run{n}/deep/er/link
dd if=/dev/urandom of=big bs=64k count=24 conv=notrunc,fsync 2>/dev/null
dd if=/dev/urandom of=big bs=4k seek={n} count=3 conv=notrunc 2>/dev/null
truncate -s $((1000000 + {n})) run{n}/sparse
fallocate -p -o 65536 -l 131072 big
"""
MANIFEST = "cd /mnt && find . -type f | sort | xargs -r md5sum"


def mount(node, pair, kind):
    node.run(f"modprobe -q {kind}; mount -t {kind} {pair.device('v0')} /mnt", timeout=60)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_switch_over_and_back(lab, kind):
    """Twice over and back: the other node has every file, a clean file system, and needs no sync."""
    pair = Pair(lab, volumes=1, volume_mib=320 if kind == "xfs" else 64, volatile=False).up()
    primary, other = pair.a, pair.b
    primary.run(f"{MKFS[kind]} {pair.device('v0')}", timeout=120)
    synced = pair.status(pair.a)["sync_bytes"] + pair.status(pair.b)["sync_bytes"]
    manifest = ""
    for n in range(4):
        mount(primary, pair, kind)
        assert primary.run(MANIFEST).out == manifest, f"{primary.name} has other files, round {n}"
        primary.run(WORK.format(n=n), timeout=120)
        manifest = primary.run(MANIFEST).out
        if n == 0:
            refused(primary, "lvrctl demote g0", "v0")      # it is mounted
            refused(other, "lvrctl promote g0", "primary")
        primary.run("umount /mnt")
        primary.run("lvrctl demote g0")
        assert pair.status(primary)["role"] == "secondary"
        other.run("lvrctl promote g0")
        primary, other = other, primary
        pair.wait(primary, role="primary", state="active", link="streaming", direction="source")
        pair.wait(other, role="secondary", state="standby", link="streaming", direction="target",
                  consistent=1, generation=pair.status(primary)["generation"])
        primary.run(f"{CHECK[kind]} {pair.device('v0')}", timeout=120)
        # the other one takes no I/O now, and says why
        other.run("dmesg -c >/dev/null")
        for command in (f"dd if={pair.device('v0')} of=/dev/null bs=4k count=1 iflag=direct",
                        f"dd if=/dev/zero of={pair.device('v0')} bs=4k count=1 oflag=direct"):
            refused(other, command)
        assert "refused: this node is secondary" in other.run("dmesg").out
    assert pair.status(pair.a)["sync_bytes"] + pair.status(pair.b)["sync_bytes"] == synced
    settle(pair, primary)
    assert_same_bytes(pair)


def test_power_loss_under_a_file_system(lab):
    """ext4 under load on a primary that dies: the replica mounts, its check is clean after the
    journal's replay, and what was made durable long before is there."""
    pair = Pair(lab, volumes=1, volume_mib=48).up()
    pair.a.run(f"{MKFS['ext4']} {pair.device('v0')}")
    mount(pair.a, pair, "ext4")
    pair.a.run(WORK.format(n=0) + "\nsync", timeout=120)
    manifest = pair.a.run(MANIFEST + " | grep run0").out
    settle(pair)
    job = pair.a.spawn("cd /mnt; n=0; while :; do n=$((n + 1)); head -c 20000 /dev/urandom >new$n; "
                       "mv new$n kept$n; [ $n -lt 40 ] || { rm -f kept*; sync; n=0; echo round; }; done")
    lab.wait(lambda: "round" in job.out, what="a round of the load")
    pair.a.power_cut(17)
    pair.wait(pair.b, link="waiting")       # until then its primary counts as alive
    assert pair.b.run("lvrctl failover g0 --force", check=False).rc == 10      # done, data may be lost
    pair.wait(pair.b, state="active", role="primary")
    mount(pair.b, pair, "ext4")
    assert pair.b.run(MANIFEST + " | grep run0").out == manifest
    pair.b.run("umount /mnt")
    pair.b.run(f"e2fsck -fn {pair.device('v0')}", timeout=60)


@pytest.mark.smoke
def test_switch_over_of_a_load(lab):
    """Zero loss: all that was acknowledged before the hand-over is on the other node, three times."""
    pair = Pair(lab, volatile=False).up()
    primary, other = pair.a, pair.b
    for seed in range(1, 4):
        load = Load(pair, primary, seed=seed)
        load.run_until(60)
        load.stop()
        primary.run("lvrctl demote g0")
        other.run("lvrctl promote g0")
        primary, other = other, primary
        load.check(primary, load.done)
        # repeated commands change nothing
        primary.run("lvrctl promote g0")
        other.run("lvrctl demote g0")
        primary.run(f"for d in {pair.devices()}; do dd if=/dev/zero of=$d bs=1M count=4 oflag=direct "
                    "2>/dev/null; done")
    pair.wait(primary, link="streaming")
    pair.assert_equal()
    assert pair.status(primary)["sync_bytes"] == 0
