"""Bios of every shape: read back at once, when destaged, and on the peer."""
import re

import pytest
from kit import assert_same_bytes, origin, settle
from pair import Pair

REFERENCE = "/tmp/reference"
READ_MAX_PIECES = 32     # laid over what the origin returns, dm-lvr/volume.c

# Block sizes of alpha's and beta's origins, and of their logs.
BLOCKS = [
    pytest.param((512, 512), (512, 512), marks=pytest.mark.smoke),
    ((4096, 512), (512, 4096)),
    ((512, 4096), (4096, 512)),
    ((4096, 4096), (4096, 4096)),
    pytest.param((512, 512), (4096, 4096), marks=pytest.mark.long),
    pytest.param((4096, 4096), (512, 512), marks=pytest.mark.long),
]


def names(value):
    return "-".join(map(str, value))


def run_shapes(pair, seed, count, threads, volume="v0"):
    pair.a.run(f"shapes run {seed} {count} {threads} {pair.block_size} {pair.device(volume)} "
               f"{REFERENCE}.{volume}", timeout=180)


def verify(node, device, volume="v0"):
    node.run(f"echo 3 >/proc/sys/vm/drop_caches; shapes verify 1048576 {device} {REFERENCE}.{volume}")


@pytest.mark.parametrize("blocks,log_blocks", BLOCKS, ids=names)
def test_shapes(lab, blocks, log_blocks):
    """Random operations in disjoint zones, mirrored in a reference, and overlapping ones at once."""
    pair = Pair(lab, volumes=2, volume_mib=12, log_mib=32, blocks=blocks, log_blocks=log_blocks,
                stage_mib=8, volatile=False).up()
    run_shapes(pair, seed=1, count=60, threads=4)
    verify(pair.a, pair.device("v0"))
    pair.a.run(f"shapes overlap 2 60 6 {pair.block_size} {pair.device('v1')}", timeout=120)
    settle(pair)
    verify(pair.a, pair.device("v0"))
    assert_same_bytes(pair)
    for node in pair.nodes:
        pair.stop(node)
    verify(pair.a, "/dev/disk/rig/v0")
    pair.b.put(f"{REFERENCE}.v0", pair.a.get(f"{REFERENCE}.v0"))
    verify(pair.b, "/dev/disk/rig/v0")
    assert_same_bytes(pair)


@pytest.mark.smoke
def test_reads_of_staged_data(lab):
    """Reads that race writes see the last one that had completed, over more pieces than fit one
    read, while nothing can be destaged and while all is."""
    pair = Pair(lab, volumes=1, volume_mib=12, log_mib=32, volatile=False).up()
    device = pair.device("v0")
    pair.a.run(f"shapes race 3 400 8 3 {device}", timeout=180)
    settle(pair)
    assert_same_bytes(pair)

    # 512-byte pieces with gaps between: far more than one read may lay over
    pair.a.run("dmsetup suspend --noflush g0-v0 && dmsetup resume g0-v0")
    base = origin(pair, pair.a, "v0")[:65536]
    pieces = b"".join(f"{n:0512d}".encode() + bytes(512) for n in range(64))

    def read_while_staged():
        """What is read right behind the pieces, if that was before they were destaged."""
        job = pair.a.spawn(f"dd of={device} bs=512 iflag=fullblock oflag=direct conv=sparse,notrunc 2>/dev/null; "
                           f"dd if={device} bs=64k count=1 iflag=direct 2>/dev/null; dmsetup status g0 >&2", input=pieces)
        job.wait()
        head, destaged = (int(re.search(rf" {name}=(\d+)", job.err).group(1)) for name in ("head", "destaged"))
        return job.stdout if head - destaged > READ_MAX_PIECES else None
    found = lab.wait(read_while_staged, what="a read before the pieces were destaged")
    expected = bytearray(base)
    for n in range(64):
        expected[n * 1024:n * 1024 + 512] = f"{n:0512d}".encode()
    assert found == bytes(expected)
    settle(pair)
    assert origin(pair, pair.b, "v0")[:65536] == bytes(expected)


def test_flush_makes_durable(lab):
    """FUA, flush and O_SYNC: what was promised survives a cut that drops every cache."""
    pair = Pair(lab, volumes=1, volume_mib=12, log_mib=32, start_primary="at-once")
    lab.start()
    pair.create()
    pair.start(pair.a)
    pair.a.run("lvrctl promote g0")
    device = pair.device("v0")
    content = {}
    for number, flags in enumerate(["oflag=direct,dsync", "oflag=dsync", "oflag=direct conv=fsync,notrunc",
                                    "conv=fdatasync,notrunc"]):
        pair.a.run(f"printf %04096d {number + 1} | dd of={device} bs=4096 seek={3 * number} {flags}")
        content[3 * number] = f"{number + 1:04096d}".encode()
        pair.a.power_cut(number, policy="drop")
        pair.reboot(pair.a)
        pair.wait(pair.a, state="active")
        for block, wanted in content.items():
            job = pair.a.spawn(f"dd if={device} bs=4096 skip={block} count=1 iflag=direct 2>/dev/null")
            job.wait()
            assert job.stdout == wanted, f"after {flags}: block {block}"


def test_zeroing_commands(lab):
    """blkdiscard, its -z, fallocate: overlapping writes in flight before and behind; zeroes on both nodes."""
    pair = Pair(lab, volumes=1, volume_mib=12, log_mib=32, volatile=False).up()
    device = pair.device("v0")
    pair.a.run(f"dd if=/dev/urandom of={device} bs=1M count=8 oflag=direct 2>&1\n"
               f"blkdiscard -o 4096 -l 1048576 {device}\n"
               f"blkdiscard -z -o 2097152 -l 2097664 {device}\n"
               f"fallocate -p -o 5242880 -l 524288 {device}\n"
               f"fallocate -z -n -o 6291456 -l 4096 {device}\n"
               f"dd if=/dev/urandom of={device} bs=512 seek=100 count=3 oflag=direct 2>&1")
    zeroed = [(4096, 100 * 512), (103 * 512, 4096 + 1048576), (2097152, 2097152 + 2097664),
              (5242880, 5242880 + 524288), (6291456, 6291456 + 4096)]
    job = pair.a.spawn(f"dd if={device} bs=1M count=8 iflag=direct 2>/dev/null")
    job.wait()
    settle(pair)
    assert_same_bytes(pair)
    data = origin(pair, pair.b, "v0")
    assert data[:8 << 20] == job.stdout
    for start, end in zeroed:
        assert not any(data[start:end])
    for start, end in [(0, 4096), (100 * 512, 103 * 512), (5242880 - 512, 5242880)]:
        assert any(data[start:end])
    # all of it at once
    pair.a.run(f"blkdiscard {device}")
    settle(pair)
    assert not any(origin(pair, pair.a, "v0")) and not any(origin(pair, pair.b, "v0"))
