"""Runs lvrctl over a device-mapper that the test plays (fake/dm.c); no kernel, no root of disks."""
import json
import os
import pathlib
import pty
import select
import shutil
import subprocess
import textwrap
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
TOOLS = TOP / "build/lvrctl/test"
LOG_ID = "1122334455667788"
SILENT_SECONDS = 20     # a terminal that says nothing for so long will not any more

CONF = """\
[group]
mode = async
key-file = {dir}/db.key
[node alpha]
id = 0
address = 10.0.0.1:7794
log = {dir}/dev/log
[node beta]
id = 1
address = 10.0.0.2:7794
log = {dir}/dev/log
[volume data]
id = 0
device = {dir}/dev/data
[volume wal]
id = 1
device = {dir}/dev/wal
"""

STATUS = dict(
    group="db", role="secondary", state="standby", reason="-", consistent=1, generation="abcdef",
    incarnation=3, head=100, written=100, durable=100, destaged=100, checkpoint=90, tail=80, data=100,
    chain="1234", handover="-", ring_bytes=16777216, used_bytes=1048576, stage_bytes=67108864, stage_used_bytes=0,
    deferred=0, volumes="2/2", peer="1:beta", link="streaming", link_reason="-", direction="target",
    mode="async", in_sync=0, alone=1, sent="-", acked=100, applied=100, lag_records=0, lag_bytes=0, lag_ms=0,
    peer_head=100, peer_durable=100, seen_ms=120, sync_done_sect="-", sync_total_sect="-",
    orphan_first="-", orphan_records="-", orphan_bytes="-", writes=7, write_bytes=4096, flushes=1, chunks=5,
    absorbed_bytes=0, destaged_bytes=4096, connects=1, sync_bytes=0, errors=0)

PRIMARY = dict(role="primary", state="active", direction="source")

# udev looks at the volumes that box.loaded() makes
LOOKS = ["241:1", "241:2", "settle"]


def pytest_sessionstart(session):
    """Builds what the tests run; a build that fails fails them all."""
    subprocess.run(["make", "-s", "-C", str(HERE)], check=True)


class Result:
    """How a command ended: rc, out, err."""

    def __init__(self, done):
        self.rc, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"rc {self.rc}\nout: {self.out}\nerr: {self.err}"

    def json(self):
        return json.loads(self.out)


class Terminal:
    """A command whose stderr is a terminal; to be used as a context."""

    def __init__(self, box, *args):
        self.ours, theirs = pty.openpty()
        self.said = ""
        self.command = subprocess.Popen(box.argv(*args), cwd=box.path, env=box.env, stdout=subprocess.DEVNULL,
                                        stderr=theirs)
        os.close(theirs)

    def read(self):
        """Until the next words come, or the command has ended; all that was said so far."""
        ready, _, _ = select.select([self.ours], [], [], SILENT_SECONDS)
        assert ready, f"nothing for {SILENT_SECONDS} s, after {self.said!r}"
        try:
            self.said += os.read(self.ours, 4096).decode()
        except OSError:         # EIO: nobody writes any more
            assert self.command.wait(10) is not None
        return self.said

    def until(self, *texts, seconds=20):
        end = time.monotonic() + seconds
        while not all(text in self.said for text in texts):
            before = self.said
            assert self.read() != before, f"ended with {self.command.poll()}, said {self.said!r}, not {texts}"
            assert time.monotonic() < end, f"said {self.said!r}, not {texts}"

    def end(self):
        """The exit code, once it is done; its last words are in said."""
        while True:
            before = self.said
            if self.read() == before:
                return self.command.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.command.kill()
        self.command.wait()
        os.close(self.ours)


class Box:
    """A machine: its configuration, its devices and the kernel that the test plays."""

    def __init__(self, path):
        self.path = path
        for name in ("dev", "disk", "etc", "run", "fake/dev", "fake/status", "fake/after",
                     "fake/refuse", "fake/fail", "fake/hold", "fake/numbers", "bin"):
            (path / name).mkdir(parents=True)
        (path / "fake/log").touch()
        for name in ("lvm", "modprobe"):
            shutil.copy(HERE / "fake" / name, path / "bin" / name)
        self.set_lvs([])
        self.env = dict(os.environ, PATH=f"{path}/bin:{os.environ['PATH']}",
                        ASAN_OPTIONS="detect_leaks=0")

    # ------------------------------------------------------------- commands

    def argv(self, *args, node="alpha"):
        common = ["--config-dir", str(self.path / "etc"), "--node", node]
        return [str(TOOLS / "lvrctl"), *map(str, args), *common]

    def run(self, *args, **kwargs):
        done = subprocess.run(self.argv(*args, **kwargs), cwd=self.path, env=self.env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode >= 0 and "Sanitizer" not in done.stderr, done.stderr
        return Result(done)

    def start(self, *args, **kwargs):
        """In the background; to be used as a context."""
        return subprocess.Popen(self.argv(*args, **kwargs), cwd=self.path, env=self.env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def on_terminal(self, *args):
        """As start(), but what it says to people comes to a terminal."""
        return Terminal(self, *args)

    def done(self):
        """What was done to device-mapper and LVM since the last call; looks alone are left out."""
        log = self.path / "fake/log"
        lines = log.read_text().splitlines()
        log.write_text("")
        return [line for line in lines if not line.startswith("lvm lvs")]

    def looks(self):
        """At which devices udev was told to look again since the last call, and where it was waited for."""
        log = self.path / "fake/udev"
        lines = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    # -------------------------------------------------------- configuration

    def conf(self, text=CONF, group="db"):
        file = self.path / "etc" / f"{group}.conf"
        file.write_text(textwrap.dedent(text).format(dir=self.path))
        return file

    def key(self, text="00112233445566778899aabbccddeeff\n", mode=0o600):
        file = self.path / "db.key"
        file.write_text(text)
        file.chmod(mode)
        return file

    # -------------------------------------------------------------- devices

    def disk(self, name, mib=1, link=True):
        """A file that lvrctl takes for a block device, at dev/<name>."""
        file = self.path / "disk" / name
        with open(file, "ab") as disk:
            disk.truncate(int(mib * 1048576))
        file.chmod(0o1600)
        if link:
            (self.path / "dev" / name).symlink_to(file)
        return file

    def disks(self):
        self.disk("log", mib=16)
        self.disk("data")
        self.disk("wal")

    def lv(self, name, mib=1, active=False):
        """The LV vg/<name> at dev/<name>."""
        file = self.disk(name, mib, link=active)
        number = len(self.lvs())
        vg_uuid, lv_uuid = (f"{letter}{number:05}-0000-0000-0000-0000-0000-000000"
                            for letter in "vl")
        self.set_lvs(self.lvs() + [dict(
            name=f"vg/{name}", path=str(self.path / "dev" / name), disk=str(file), active=active,
            skip=False, autoactivation=True, tags=[], vg_uuid=vg_uuid, lv_uuid=lv_uuid)])
        dm_uuid = "LVM-" + (vg_uuid + lv_uuid).replace("-", "")
        minor = file.stat().st_ino & 0xfffff
        (self.path / "fake/numbers" / str(minor)).write_text(dm_uuid + "\n")
        return dm_uuid

    def lvs(self):
        return json.loads((self.path / "fake/lvs.json").read_text())

    def set_lvs(self, lvs):
        (self.path / "fake/lvs.json").write_text(json.dumps(lvs))

    def number(self, name):
        return f"240:{(self.path / 'disk' / name).stat().st_ino & 0xfffff}"

    def log(self, *settings, file="disk/log", mib=16, chunks=0):
        """A log with content, in place of what the file holds."""
        path = self.path / file
        subprocess.run([TOOLS / "make-log", path, str(mib), str(chunks), *settings], check=True)
        path.chmod(0o1600 if file.startswith("disk/") else 0o600)
        return path

    def marks(self):
        """Uuids and numbers of the devices that are hidden."""
        marks = self.path / "run/backing"
        return {mark.name for mark in marks.iterdir()} if marks.exists() else set()

    # --------------------------------------------------------------- kernel

    def fake(self, name, text="1"):
        file = self.path / "fake" / name
        temporary = file.with_name(file.name + ".new")
        temporary.write_text(f"{text}\n")
        temporary.rename(file)

    def unfake(self, name):
        (self.path / "fake" / name).unlink()

    def status(self, file="status/db", **fields):
        """The status line, as after a change."""
        assert set(fields) <= set(STATUS)
        values = dict(STATUS, **fields)
        self.fake(file, " ".join(f"{key}={value}" for key, value in values.items()))

    def loaded(self, params="240:1 3 group=db member=0 peer=1", **fields):
        """A group that runs, with two volumes, closed."""
        self.fake("module")
        self.fake("dev/db", f"LVR-{LOG_ID}\nlvr-log\n8\n0\n0\n{params}")
        for i, name in enumerate(("data", "wal")):
            self.open(name, 0, number=i)
        self.status(**fields)

    def open(self, volume, count=1, number=0):
        number = {"data": 0, "wal": 1}.get(volume, number)
        self.fake(f"dev/db-{volume}",
                  f"LVR-{LOG_ID}-{number}\nlvr\n2048\n{number + 1}\n{count}\n241:0 {number} 240:7")
        self.origin(volume)

    def origin(self, volume, state="ok"):
        """How the kernel says that the device below a volume is."""
        self.fake(f"status/db-{volume}",
                  f"group=db volume={volume} role=primary state=active origin={state}")


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


def is_asleep(command):
    """Whether it waits for a time to come; it must not wait for other processes meanwhile."""
    state = pathlib.Path(f"/proc/{command.pid}/stat").read_text()
    return state.rpartition(")")[2].split()[0] == "S"


@pytest.fixture
def until():
    """Polls for a condition."""
    def poll(condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "not in time"
            time.sleep(0.02)
    return poll
