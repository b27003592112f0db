"""The rig itself."""
import lzma

import pytest
from rig import CommandFailed, CommandTimeout, ConsoleFault, Disk, NodeDied, Result, Unfit, paths, patience

BLOCK = 4096


def pair(lab, **options):
    alpha, beta = lab.node("alpha", **options), lab.node("beta", **options)
    lab.start()
    for node in lab.nodes:
        print(f"{node.name} started in {node.start_seconds:.2f} s")
    return alpha, beta


def answers(node, peer):
    return node.run(f"ping -c 1 -W 1 {peer.address}", check=False).rc == 0


def test_commands(lab):
    node = lab.node("alpha")
    node.start()
    assert node.run("echo out; echo err >&2; exit 3", check=False) == Result(3, "out\n", "err\n")
    assert node.run("cat", input=b"x" * 3_000_000).out == "x" * 3_000_000
    assert node.run("uname -n").out == "alpha\n"
    with pytest.raises(CommandFailed):
        node.run("false")
    with pytest.raises(CommandTimeout):
        node.run("sleep 1000", timeout=1)
    jobs = [node.spawn(f"read line; echo {n} $line", input=None) for n in range(5)]
    assert [job.poll() for job in jobs] == [None] * 5
    for job in reversed(jobs):
        job.input(b"go\n")
    assert [job.wait().out for job in jobs] == [f"{n} go\n" for n in range(5)]
    long = node.spawn("sleep 1000 & wait")
    long.kill()
    assert long.wait(check=False).rc == -9


def test_patience(monkeypatch):
    """Wears off by the naps of who waits; a machine that stood still costs one nap."""
    clock = [1000.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: clock[0])
    limit = patience.Patience(2)
    for _ in range(2 * patience.TOLERANCE - 1):
        clock[0] += 3600
        assert limit.lasts()
    clock[0] += patience.NAP_SECONDS
    assert not limit.lasts()


def test_files(lab):
    node = lab.node("alpha")
    node.start()
    content = bytes(range(256)) * 5000
    node.put("/tmp/a file", content, 0o750)
    assert node.get("/tmp/a file") == content
    assert node.run("stat -c %a '/tmp/a file'").out == "750\n"


def test_links(lab):
    alpha, beta = pair(lab)
    assert answers(alpha, beta)
    lab.cut()
    assert not answers(alpha, beta)
    assert not answers(beta, alpha)
    lab.heal()
    assert answers(beta, alpha)
    lab.slow(delay_ms=150)
    assert float(alpha.run("ping -c 1 -q beta | sed -n 's,.*= \\([0-9.]*\\)/.*,\\1,p'").out) > 250
    lab.heal()
    alpha.kill()
    alpha.start()
    assert answers(alpha, beta)


def test_cut_stays_over_a_restart(lab):
    alpha, beta = pair(lab)
    lab.cut()
    beta.kill()
    beta.start()
    assert not answers(beta, alpha)
    lab.heal(alpha, beta)
    assert answers(beta, alpha)


def test_three_nodes_one_way_cut(lab):
    nodes = [lab.node(name, smp=1) for name in ("alpha", "beta", "gamma")]
    alpha, beta, gamma = nodes
    lab.start()
    assert answers(alpha, beta) and answers(beta, gamma) and answers(gamma, alpha)
    lab.cut(alpha, beta, both_ways=False)
    counter = "cat /sys/class/net/eth0/statistics/rx_packets"
    before = int(alpha.run(counter).out)
    assert not answers(beta, alpha)
    assert int(alpha.run(counter).out) > before     # it is the answers that get lost
    assert answers(gamma, beta) and answers(gamma, alpha)


def test_disks_are_as_wanted_and_stay(lab):
    node = lab.node("alpha", disks=[Disk("small", mib=16), Disk("big", mib=64, logical_block=4096)])
    node.start()
    assert node.run("blockdev --getsize64 --getss /dev/disk/rig/big").out == f"{64 << 20}\n4096\n"
    assert node.run("blockdev --getsize64 --getss /dev/disk/rig/small").out == f"{16 << 20}\n512\n"
    node.run("echo kept | dd of=/dev/disk/rig/small conv=fsync 2>/dev/null")
    node.kill()
    assert not node.running
    with pytest.raises(NodeDied):
        node.run("true")
    assert node.disks["small"].read(0, 5) == b"kept\n"
    node.disks["small"].write(0, b"taken")
    node.start()
    assert node.run("head -c 5 /dev/disk/rig/small").out == "taken"
    node.shutdown()
    node.start()
    assert node.run("head -c 5 /dev/disk/rig/small").out == "taken"


def write_block(node, number, letter, flush):
    """Fills a block of disk d past the page cache."""
    node.run(f"tr '\\0' {letter} </dev/zero | dd of=/dev/disk/rig/d bs={BLOCK} seek={number} count=1 "
             f"iflag=fullblock oflag=direct conv=notrunc{',fsync' if flush else ''} 2>/dev/null")


@pytest.mark.parametrize("policy, survives", [("drop", False), ("keep", True)])
def test_power_cut(lab, policy, survives):
    disks = [Disk("d", mib=16, volatile=True), Disk("other", mib=16, volatile=True)]
    node = lab.node("alpha", disks=disks)
    node.start()
    write_block(node, 0, "a", flush=True)
    write_block(node, 1, "b", flush=False)
    node.power_cut(seed=1, policy=policy)
    assert node.disks["other"].read(0, 2 * BLOCK) == bytes(2 * BLOCK)
    node.start()
    content = node.get("/dev/disk/rig/d")
    assert content[:BLOCK] == b"a" * BLOCK
    assert content[BLOCK:2 * BLOCK] == (b"b" if survives else b"\0") * BLOCK
    # and the next life of the disk builds on that
    write_block(node, 2, "c", flush=True)
    node.power_cut(seed=2)
    assert node.disks["d"].read(0, 8) == b"a" * 8
    assert node.disks["d"].read(2 * BLOCK, 8) == b"c" * 8


def test_kill_keeps_the_write_cache(lab):
    node = lab.node("alpha", disks=[Disk("d", mib=16, volatile=True)])
    node.start()
    write_block(node, 0, "a", flush=False)
    for _ in range(2):
        node.kill()
        node.start()
        assert node.get("/dev/disk/rig/d")[:BLOCK] == b"a" * BLOCK


@pytest.mark.long
def test_file_system_survives_power_cuts(lab):
    node = lab.node("alpha", disks=[Disk("d", mib=64, volatile=True)])
    node.start()
    node.run("mkfs.ext4 -q /dev/disk/rig/d && mount /dev/disk/rig/d /mnt && "
             "echo synced >/mnt/synced && sync")
    for seed in range(3):
        node.spawn("while :; do cp -r /usr/sbin /mnt/copy; sync; rm -r /mnt/copy; done")
        device = node.disks["d"].live
        before = device.stat().st_blocks
        lab.wait(lambda: device.stat().st_blocks != before, what="writes")
        node.power_cut(seed)
        node.start()
        node.run("mount /dev/disk/rig/d /mnt && umount /mnt && e2fsck -fn /dev/disk/rig/d && "
                 "mount /dev/disk/rig/d /mnt && grep synced /mnt/synced", timeout=120)


def test_replay_to_each_flush(lab, tmp_path):
    node = lab.node("alpha", disks=[Disk("d", mib=16, volatile=True)])
    node.start()
    for number in range(4):
        write_block(node, number, "abcd"[number], flush=True)
    node.run("blkdiscard -z -o 0 -l 4096 /dev/disk/rig/d; blkdiscard -o 4096 -l 4096 /dev/disk/rig/d; "
             "sync /dev/disk/rig/d")
    node.kill()
    image = tmp_path / "image"
    seen = []
    with node.disks["d"].history() as history:
        for mark in history.flush_marks:
            history.write_image(image, mark)
            content = image.read_bytes()
            seen.append("".join(chr(content[n * BLOCK]) for n in range(4)).rstrip("\0"))
        history.write_image(image, len(history.entries))
    assert [state for n, state in enumerate(seen) if state not in seen[:n]][:4] == [
        "a", "ab", "abc", "abcd"]
    assert image.read_bytes()[:3 * BLOCK] == bytes(2 * BLOCK) + b"c" * BLOCK


def test_recorded_disks_have_one_record(lab, tmp_path):
    """Each moment of both disks together; then the node goes on with what they hold."""
    node = lab.node("alpha", disks=[Disk(name, mib=16, recorded=True) for name in ("d", "other")])
    node.start()
    begin = node.recording.size
    write_block(node, 0, "a", flush=True)
    node.run("echo between | dd of=/dev/disk/rig/other conv=fsync 2>/dev/null")
    write_block(node, 1, "b", flush=True)
    node.kill()
    timeline = node.recording.timeline(tmp_path)
    seen = []
    for mark in timeline.marks:
        if timeline.entries[mark].end <= begin:
            continue
        timeline.advance(mark + 1)
        d, other = ((tmp_path / name).read_bytes() for name in ("d", "other"))
        seen.append((d[:1] + d[BLOCK:BLOCK + 1], other[:7]))
    timeline.close()
    assert seen == [(b"a\0", bytes(7)), (b"a\0", b"between"), (b"ab", b"between")]
    node.start()
    assert node.get("/dev/disk/rig/d")[BLOCK:BLOCK + 2] == b"bb"
    node.kill()
    node.disks["d"].overwrite(open(tmp_path / "other", "rb"))
    assert node.disks["d"].read(0, 7) == b"between"


def test_console_watch(lab):
    node = lab.node("alpha")
    node.start()
    lab.check_consoles()
    if node.run("test -e /proc/sysrq-trigger", check=False).rc:
        raise Unfit("no sysrq")
    node.spawn("echo c >/proc/sysrq-trigger")
    node.wait_off()
    with pytest.raises(ConsoleFault, match="sysrq_handle_crash"):
        lab.check_consoles()
    node.console.forget()
    node.start()
    lab.check_consoles()


def test_clones_differ(lab):
    alpha, beta = pair(lab)
    uuid = "cat /proc/sys/kernel/random/uuid /proc/sys/kernel/random/boot_id"
    ids = alpha.run(uuid).out.split() + beta.run(uuid).out.split()
    assert len(set(ids)) == 4
    skew = abs(int(alpha.run("date +%s").out) - int(beta.run("date +%s").out))
    assert skew <= 5


def test_tools(lab):
    """What tests and lvrctl need in a guest is there and works together."""
    node = lab.node("alpha", disks=[Disk("pv", mib=400)])
    node.start()
    node.run("""set -e
        pvcreate -q /dev/disk/rig/pv && vgcreate -q vg /dev/disk/rig/pv
        lvcreate -q -y -n ext -L 40M vg && mkfs.ext4 -q /dev/vg/ext
        lvcreate -q -y -n xfs -L 320M vg && mkfs.xfs -q /dev/vg/xfs
        mkdir /mnt/ext /mnt/xfs
        mount /dev/vg/ext /mnt/ext && mount /dev/vg/xfs /mnt/xfs
        findmnt /mnt/xfs && lsblk && blkid /dev/vg/ext
        for m in dm-flakey dm-delay dm-log-writes dm-snapshot loop null_blk brd; do
            modprobe $m
        done
        umount /mnt/ext /mnt/xfs && xfs_repair -n /dev/vg/xfs && e2fsck -fn /dev/vg/ext
        vgchange -q -an vg""", timeout=180)


@pytest.mark.parametrize("image", ["small", pytest.param("debian", marks=pytest.mark.long)])
def test_payload(lab, tmp_path, image):
    """Programs and modules of the payload can be used by their names, a newer one after a restart."""
    lab.payload = tmp_path
    for directory in ("bin", "modules"):
        (tmp_path / directory).mkdir()
    modules = paths.BUILD / "kernels" / lab.kernel / "modules/kernel/drivers/md"
    module, = modules.glob("dm-unstripe.ko*")       # is in no image
    content = lzma.open(module).read() if module.suffix == ".xz" else module.read_bytes()
    (tmp_path / "modules/dm-unstripe.ko").write_bytes(content)
    node = lab.node("alpha", image=image)
    for version in ("old", "new"):
        program = tmp_path / "bin/lvr-version"
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
        node.start()
        assert node.run("lvr-version").out == f"{version}\n"
        node.run("modprobe dm-unstripe")
        node.kill()


@pytest.mark.long
def test_debian_mounts_by_uuid_at_boot(lab):
    node = lab.node("alpha", image="debian", disks=[Disk("pv", mib=128)])
    node.start()
    uuid = "5a1b1b1e-0000-4000-8000-000000000001"
    node.run(f"""set -e
        pvcreate -q /dev/disk/rig/pv && vgcreate -q vg /dev/disk/rig/pv && lvcreate -q -n lv -L 64M vg
        mkfs.ext4 -q -U {uuid} /dev/vg/lv
        echo UUID={uuid} /srv ext4 defaults 0 2 >>/etc/fstab
        mount /srv && echo here >/srv/file""")
    node.shutdown(timeout=120)
    node.start()
    assert node.run("cat /srv/file; findmnt -no SOURCE /srv").out == "here\n/dev/mapper/vg-lv\n"


@pytest.mark.long
def test_debian_postgresql(lab):
    node = lab.node("alpha", image="debian", disks=[Disk("d", mib=256)])
    node.start()
    node.run("""set -e
        mkfs.ext4 -q /dev/disk/rig/d && mount /dev/disk/rig/d /mnt
        install -d -o postgres /mnt/db && cd /mnt/db
        export PATH=$PATH:/usr/lib/postgresql/15/bin
        as() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
        as initdb -D /mnt/db/data -N >/dev/null
        as pg_ctl -D /mnt/db/data -w -l /mnt/db/log start
        as pgbench -i -q postgres 2>&1
        as pgbench -t 20 postgres 2>&1
        as pg_ctl -D /mnt/db/data -w stop""", timeout=300)
