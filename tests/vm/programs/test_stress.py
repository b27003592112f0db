"""stress-ng, and copies of a tree, on file systems; their own tools judge them."""
import pytest
from exercise import SECONDS, Exercise, Program, complaints

PLACE = "/srv/data"
TREE = "/usr/lib/python3.11"        # some thousand files that every node has
# one worker of each; --verify where a stressor can. What they leave is there for the checks
STRESS = f"""mkdir -p {PLACE}/stress && stress-ng --temp-path {PLACE}/stress --verify --keep-files --oom-avoid \\
    --hdd 1 --hdd-bytes 16m --hdd-opts direct --iomix 1 --iomix-bytes 16m --aio 1 --aio-requests 8 \\
    --fallocate 1 --fallocate-bytes 16m --fpunch 1 --sync-file 1 --sync-file-bytes 8m --seek 1 --seek-size 8m \\
    --revio 1 --revio-bytes 8m --readahead 1 --readahead-bytes 16m --rename 1 --dir 1 --dir-dirs 256 \\
    --dirdeep 1 --dirdeep-inodes 500 --dentry 1 --dentries 256 --link 1 --symlink 1 --chmod 1 --utime 1 --getdent 1"""
XATTR = " --xattr 1"
COPIES = f"while :; do rm -rf {PLACE}/copy && cp -a {TREE} {PLACE}/copy; done"


class FileSystem(Program):
    volumes = {"data": 512}
    kind = mkfs = fsck = options = ""
    upkeep = []     # what else can be done while it is mounted
    scrub = []      # checks while it is mounted
    atomic = XATTR  # a stressor that a crash must not hurt

    def make(self, node):
        self.format(node)
        self.mount(node)

    def work(self, node):
        return node.spawn("\n".join(["set -e", f"cp -a {TREE} {PLACE}/tree", f"{STRESS}{XATTR} --timeout 20 2>&1",
                                     f"rm -rf {PLACE}/stress/*-hdd-* {PLACE}/stress/*-dir-*", f"fstrim -v {PLACE}",
                                     *self.upkeep]))

    def endless(self, node):
        self.mount(node)
        # a file may be immutable since the last power cut
        node.run(f"chattr -R -f -i -a {PLACE}/stress; rm -rf {PLACE}/stress", timeout=SECONDS)
        node.spawn(COPIES)
        return node.spawn(f"{STRESS}{self.atomic} --timeout 3600 2>&1")

    def promised(self, node, job):
        """A file that was made durable under the load."""
        node.run(f"cp /proc/sys/kernel/random/uuid {PLACE}/promise && sync {PLACE}/promise", timeout=SECONDS)
        return node.run(f"cat {PLACE}/promise").out

    def check(self, node, promised=None):
        """A mount replays the journal, if it has to; a check of what is not mounted finds nothing to do then."""
        self.mount(node)
        commands = [f"diff -r --no-dereference {TREE} {PLACE}/tree", *self.scrub]
        if promised:
            commands.append(f"grep -x {promised.strip()} {PLACE}/promise")
        found = complaints(node, commands)
        self.unmount(node)
        return found + complaints(node, [f"{self.fsck} {self.devices['data']}"])


class Ext4(FileSystem):
    kind, mkfs, fsck, options = "ext4", "mkfs.ext4 -q", "e2fsck -fn", "discard"

    def spoil(self, node):
        node.run(f"debugfs -w -R 'clri /lost+found' {self.devices['data']}")
        return ["lost\\+found"]


class Xfs(FileSystem):
    kind, mkfs, fsck, options = "xfs", "mkfs.xfs -q", "xfs_repair -n", "discard"
    atomic = ""     # a crash in the middle of a large attribute leaves it INCOMPLETE, on any device; xfs_repair minds

    def spoil(self, node):
        self.mount(node)
        inode = node.run(f"stat -c %i {PLACE}/tree/os.py").out.strip()
        self.unmount(node)
        node.run(f"xfs_db -x -c 'inode {inode}' -c 'write core.nlinkv2 7' {self.devices['data']}")
        return [f"would have reset inode {inode} nlinks from 7 to 1"]


class Btrfs(FileSystem):
    kind, mkfs, fsck, options = "btrfs", "mkfs.btrfs -q", "btrfs check --readonly", "discard=async,compress=zstd"
    upkeep = [f"btrfs balance start --full-balance {PLACE}", f"btrfs scrub start -B {PLACE}"]
    scrub = upkeep[1:]

    def check(self, node, promised=None):
        """It must be sound before its log is replayed, too."""
        found = complaints(node, [f"{self.fsck} {self.devices['data']}"])
        return found + super().check(node, promised)

    def spoil(self, node):
        """A sector of a file."""
        device, text = self.devices["data"], "spoil this sector "
        self.mount(node)
        node.run(f"chattr +m {PLACE} && yes '{text}' | head -c 65536 >{PLACE}/spoil && sync {PLACE}/spoil",
                 timeout=SECONDS)
        self.unmount(node)
        at = int(node.run(f"grep -abom1 '{text}' {device} | head -1", timeout=SECONDS).out.split(":")[0])
        node.run(f"dd if=/dev/zero of={device} bs=512 seek={at // 512 + 4} count=1 oflag=direct conv=notrunc")
        return ["csum=1"]


@pytest.mark.seconds(1800)
@pytest.mark.parametrize("kind", [Ext4, Xfs, Btrfs])
def test_file_system(lab, kind):
    """After stress-ng, and in the middle of it, the peer's file system is sound, with all files of a tree that was
    copied before."""
    Exercise(lab, kind).run()
