"""The recorder of disks and the disks rebuilt from its record, without any virtual machine."""
import os
import socket
import struct
import subprocess
import threading

import pytest
from rig import recorder
from rig.timeline import DISCARD, FLUSH, SECTOR, WRITE, Entry, Timeline

SECTORS = 64
SIZE = SECTORS * SECTOR


def block(letter, sectors=1):
    return letter.encode() * SECTOR * sectors


class Disks:
    """Two recorded disks, served by a thread of this process."""

    def __init__(self, directory):
        self.directory, self.path = directory, directory / "socket"
        for name in ("a", "b"):
            for kind in ("base", "live"):
                (directory / f"{name}.{kind}").write_bytes(bytes(SIZE))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen()
        self.server = recorder.Server(listener, recorder.Record(directory / "record"), {
            name: recorder.Export(number, directory / f"{name}.live") for number, name in enumerate("ab")})
        threading.Thread(target=self.server.serve, daemon=True).start()

    def qemu_io(self, name, *commands):
        """What QEMU's own client makes of it."""
        words = [word for command in commands for word in ("-c", command)]
        return subprocess.run(["qemu-io", "-f", "raw", "-t", "none", f"nbd+unix:///{name}?socket={self.path}",
                               *words], check=True, stdout=subprocess.PIPE, text=True).stdout

    def timeline(self):
        return Timeline(open(self.directory / "record", "rb"),
                        [open(self.directory / f"{name}.base", "r+b") for name in "ab"])


class Client:
    """A client that sends requests without waiting."""

    def __init__(self, disks, name):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(disks.path))
        assert self.take(18)[:8] == b"NBDMAGIC"
        self.sock.sendall(struct.pack(">I", 3))
        self.sock.sendall(struct.pack(">QII", recorder.OPTION, recorder.EXPORT_NAME, 1) + name.encode())
        assert struct.unpack(">Q", self.take(10)[:8])[0] == SIZE

    def take(self, size):
        data = b""
        while len(data) < size:
            data += self.sock.recv(size - len(data))
        return data

    @staticmethod
    def request(command, offset=0, data=b"", length=None, flags=0, cookie=7):
        return struct.pack(">IHHQQI", recorder.REQUEST_MAGIC, flags, command, cookie, offset,
                           len(data) if length is None else length) + data

    def replies(self, count):
        return [struct.unpack(">IIQ", self.take(16))[1] for _ in range(count)]


@pytest.fixture
def disks(tmp_path):
    return Disks(tmp_path)


def kinds(timeline):
    return [(entry.disk, entry.kind, entry.offset // SECTOR, entry.length // SECTOR) for entry in timeline.entries]


def test_qemu_talks_to_it(disks):
    disks.qemu_io("a", "write -P 97 0 1k", "flush")
    disks.qemu_io("b", "write -P 98 512 512", "write -z 512 512", "discard 1024 1024", "flush")
    assert "verification failed" not in disks.qemu_io("a", "read -P 97 0 1k").lower()
    found = [kind for kind in kinds(disks.timeline()) if kind[1] != FLUSH]
    assert found == [(0, WRITE, 0, 2), (1, WRITE, 1, 1), (1, DISCARD, 1, 1), (1, DISCARD, 2, 2)]
    assert (disks.directory / "a.live").read_bytes() == block("a", 2) + bytes(SIZE - 1024)


def test_a_flush_covers_what_was_answered_before_it_came(disks):
    client = Client(disks, "a")
    client.sock.sendall(client.request(recorder.WRITE_COMMAND, 0, block("a")))
    assert client.replies(1) == [0]
    # in one packet: the write is not answered when the flush arrives
    client.sock.sendall(client.request(recorder.WRITE_COMMAND, SECTOR, block("b")) +
                        client.request(recorder.FLUSH_COMMAND))
    assert client.replies(2) == [0, 0]
    timeline = disks.timeline()
    assert [entry.covers for entry in timeline.entries] == [0, 0, 1]
    timeline.advance(3)
    assert timeline.loose() == [1, 0]
    assert (disks.directory / "a.base").read_bytes()[:2 * SECTOR] == block("a") + bytes(SECTOR)


def test_who_does_not_wait_for_a_flush_is_ahead_of_it(disks, monkeypatch):
    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 3600)
    client, other = Client(disks, "a"), Client(disks, "b")
    client.sock.sendall(client.request(recorder.FLUSH_COMMAND) +
                        client.request(recorder.WRITE_COMMAND, 0, block("a")))
    assert client.replies(1) == [0]
    other.sock.sendall(other.request(recorder.WRITE_COMMAND, 0, block("b")))
    assert other.replies(1) == [0]
    assert kinds(disks.timeline()) == [(0, WRITE, 0, 1), (1, WRITE, 0, 1)]


def test_fua_is_stable_at_once(disks):
    client = Client(disks, "a")
    client.sock.sendall(client.request(recorder.WRITE_COMMAND, 0, block("a"), flags=recorder.FUA))
    assert client.replies(1) == [0]
    timeline = disks.timeline()
    timeline.advance(len(timeline.entries))
    assert timeline.loose() == [0, 0]
    assert (disks.directory / "a.base").read_bytes()[:SECTOR] == block("a")


def test_what_does_not_fit_is_refused(disks):
    client = Client(disks, "a")
    client.sock.sendall(client.request(recorder.WRITE_COMMAND, SIZE, block("a")) +
                        client.request(recorder.WRITE_COMMAND, 1, block("a")) + client.request(99))
    assert client.replies(3) == [recorder.INVALID] * 3
    assert disks.timeline().entries == []


def test_who_goes_at_once_disturbs_nobody(disks):
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(disks.path))
    client = Client(disks, "a")
    client.sock.sendall(client.request(recorder.WRITE_COMMAND, 0, block("a")))
    assert client.replies(1) == [0]


def test_disks_share_one_order(disks):
    a, b = Client(disks, "a"), Client(disks, "b")
    for number in range(10):
        client = (a, b)[number % 2]
        client.sock.sendall(client.request(recorder.WRITE_COMMAND, number * SECTOR, block("x")))
        assert client.replies(1) == [0]
    assert [(entry.disk, entry.offset // SECTOR) for entry in disks.timeline().entries] == \
        [(number % 2, number) for number in range(10)]


# replay


def make(directory, *entries):
    """A timeline of (disk, kind, covers, sector, data or number of sectors)."""
    with open(directory / "made", "wb") as record:
        for disk, kind, covers, sector, data in entries:
            length = len(data) if kind == WRITE else data * SECTOR
            record.write(Entry(disk, kind, covers, sector * SECTOR, length).pack() + (data if kind == WRITE else b""))
    for name in "ab":
        (directory / f"made.{name}").write_bytes(bytes(SIZE))
    return Timeline(open(directory / "made", "rb"), [open(directory / f"made.{name}", "r+b") for name in "ab"])


def content(timeline, disk=0):
    return os.pread(timeline.images[disk].fileno(), SIZE, 0)


def story(directory):
    return make(directory, (0, WRITE, 0, 0, block("a", 4)), (1, WRITE, 0, 0, block("b")), (0, FLUSH, 2, 0, 0),
                (0, WRITE, 0, 2, block("c", 4)), (0, DISCARD, 0, 0, 1), (1, FLUSH, 5, 0, 0))


def test_marks_are_before_flushes_that_matter(tmp_path):
    assert story(tmp_path).marks == [2, 5]


def test_a_flush_is_for_its_own_disk(tmp_path):
    timeline = story(tmp_path)
    timeline.advance(5)
    assert timeline.loose() == [2, 1]
    assert content(timeline) == block("a", 4) + bytes(SIZE - 4 * SECTOR)
    assert content(timeline, 1) == bytes(SIZE)
    timeline.advance(6)
    assert content(timeline, 1)[:SECTOR] == block("b")


def test_policies(tmp_path):
    timeline = story(tmp_path)
    timeline.advance(5)
    stable = content(timeline), content(timeline, 1)
    timeline.cut(["keep", "drop"], 1)
    assert content(timeline)[:6 * SECTOR] == bytes(SECTOR) + block("a") + block("c", 4)
    assert content(timeline, 1) == bytes(SIZE)
    timeline.restore()
    assert (content(timeline), content(timeline, 1)) == stable


@pytest.mark.parametrize("seed", range(30))
def test_random_keeps_what_is_stable(tmp_path, seed):
    timeline = story(tmp_path)
    timeline.advance(5)
    timeline.cut(["random", "random"], seed)
    found = content(timeline)
    assert found[SECTOR:2 * SECTOR] == block("a")
    for number in range(2, 6):
        assert found[number * SECTOR:(number + 1) * SECTOR] in \
            {block("c"), block("a") if number < 4 else bytes(SECTOR)}
    timeline.restore()
    assert content(timeline) == block("a", 4) + bytes(SIZE - 4 * SECTOR)


def test_random_varies_and_repeats(tmp_path):
    timeline = make(tmp_path, (0, WRITE, 0, 0, block("a", 4)), (0, WRITE, 0, 2, block("b", 4)))
    timeline.advance(2)

    def outcomes():
        for seed in range(100):
            timeline.cut(["random", "random"], seed)
            yield content(timeline)[:6 * SECTOR]
    first, second = list(outcomes()), list(outcomes())
    assert first == second
    assert bytes(6 * SECTOR) in first                                       # both lost
    assert block("a", 2) + block("b", 4) in first                           # both there
    assert block("a", 4) + block("b", 2) in first                           # in the other order
    assert any(0 < found.count(b"a") % (4 * SECTOR) < 2 * SECTOR and b"b" not in found for found in first)   # torn


def test_an_entry_cut_short_is_none(tmp_path):
    timeline = story(tmp_path)
    size = timeline.entries[-3].end
    os.truncate(tmp_path / "made", size - 1)
    again = Timeline(open(tmp_path / "made", "rb"), timeline.images)
    assert len(again.entries) == len(timeline.entries) - 3


def test_a_recovery_is_undone_with_the_cut(tmp_path):
    timeline = story(tmp_path)
    timeline.advance(5)
    timeline.cut(["keep", "keep"], 1)
    timeline.change(0, 0, block("r", 64))
    timeline.advance(6)
    assert content(timeline) == block("a", 4) + bytes(SIZE - 4 * SECTOR)
