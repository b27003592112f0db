"""log dump and check on images: whole, torn, damaged."""
import random
import struct
from pathlib import Path

import pytest
from conftest import LOG_ID

MIB = 16
SLOT_BYTES = 32768


class Image:
    """A log with 6 chunks of 3 records, of which 2 chunks are destaged."""

    def __init__(self, box, *settings, chunks=6):
        self.box = box
        self.file = box.log("checkpoint=2", *settings, file="a.img", mib=MIB, chunks=chunks)
        self.whole = self.dump()
        self.chunks = self.whole["chunks"]

    def dump(self):
        result = self.box.run("log", "dump", self.file, "--json")
        return result.json()

    def check(self):
        """Exit code and findings."""
        result = self.box.run("log", "check", self.file, "--json")
        text = self.box.run("log", "check", self.file)
        assert text.rc == result.rc
        answer = result.json()
        assert answer["version"] == 2
        if "end" in answer:
            assert f"verdict          {answer['end']['verdict']}: " in text.out
        return result.rc, answer.get("end")

    def place(self, chunk):
        """First byte of a chunk on the device."""
        sb = self.whole["super"]
        return sb["ring_start_sect"] * 512 + self.chunks[chunk]["off"] % sb["ring_bytes"]

    def write(self, at, data):
        with open(self.file, "r+b") as image:
            image.seek(at)
            image.write(data)

    def flip(self, at):
        with open(self.file, "r+b") as image:
            image.seek(at)
            byte, = image.read(1)
            image.seek(at)
            image.write(bytes([byte ^ 1]))


@pytest.fixture
def image(box):
    return Image(box)


def test_whole(image):
    assert image.check() == (0, dict(
        verdict="clean", why="end of log", detail=image.whole["end"]["detail"], head=image.whole["end"]["head"],
        chunks=6, records=18, payload_bytes=17 * 4096, undestaged_records=12, chunks_beyond=0))
    assert image.whole["end"]["head"]["seq"] == 18


def test_dump_json(image):
    whole = image.whole
    assert whole["version"] == 2
    assert [slot["valid"] for slot in whole["superblocks"]] == [True, True]
    assert [slot["current"] for slot in whole["superblocks"]] == [True, False]
    sb = whole["super"]
    assert sb["group"] == "db" and sb["log_id"] == LOG_ID and sb["checkpoint"]["seq"] == 6
    assert [member["name"] for member in sb["members"]] == ["alpha", "beta"]
    assert sb["history"][0]["generation"] == "0000000000abcdef"
    assert [chunk["first_seq"] for chunk in whole["chunks"]] == [0, 3, 6, 9, 12, 15]
    assert whole["chunks"][0]["flags"] == ["generation"]
    assert whole["chunks"][0]["records"][0] == dict(type="generation", arg="0" * 16)
    record = whole["chunks"][1]["records"][1]
    assert (record["type"], record["volume"], record["start_sect"], record["len_sect"], record["fua"]) == \
        ("write", 1, 32, 8, False)


def test_dump_text(image):
    result = image.box.run("log", "dump", image.file)
    assert result.rc == 0
    assert "group            db, uuid 01020304-0506-0708-0900-000000000000" in result.out
    assert result.out.count("\nchunk off ") == 6 and result.out.count("\n  write ") == 17
    assert "  write      volume 1, sector 32 + 8" in result.out
    assert "verdict          clean" in result.out


def test_empty(box):
    image = Image(box, chunks=0)
    assert image.check()[0] == 0 and image.chunks == []


def test_second_lap(box):
    """The tail lies in the second lap and the log wraps at the end of the ring."""
    image = Image(box, "laps=1", "incarnation=2", chunks=12)
    rc, end = image.check()
    assert rc == 0 and end["chunks"] == 12
    offs = [chunk["off"] for chunk in image.chunks]
    assert offs[0] < image.whole["super"]["ring_bytes"] < offs[-1]


def test_torn_tail(image):
    """At each part of the last chunk: as a crash leaves it, hence no error."""
    last = image.place(5)
    for at in (8, 40, 64 + 8, 64 + 40, 64 + 96 + 4, 1024, 5000):
        image.flip(last + at)
        rc, end = image.check()
        assert (rc, end["verdict"], end["why"], end["records"]) == (0, "torn", "torn chunk", 15), at
        image.flip(last + at)
    assert image.check()[0] == 0


@pytest.mark.parametrize("what", ("zeroes", "pattern"))
def test_lost_tail(image, what):
    """The whole last chunk never reached the disk."""
    size = image.chunks[5]["extent_bytes"]
    image.write(image.place(5), bytes(size) if what == "zeroes" else b"\xa5" * size)
    rc, end = image.check()
    assert (rc, end["verdict"], end["head"]["seq"]) == (0, "clean", 15)


def test_truncated_payload(image):
    """Part of the last chunk reached the disk, wherever the cut is."""
    size = image.chunks[5]["extent_bytes"]
    for kept in range(512, size, 1536):
        image.write(image.place(5) + kept, bytes(size - kept))
        rc, end = image.check()
        assert (rc, end["verdict"]) == (0, "torn"), kept


@pytest.mark.parametrize("chunk", (2, 3, 4))
def test_hole(image, chunk):
    """A chunk in the middle is damaged: what lies behind is whole and out of reach."""
    image.flip(image.place(chunk) + 2048)
    rc, end = image.check()
    assert (rc, end["verdict"], end["why"]) == (6, "hole", "torn chunk")
    assert end["chunks"] == chunk and end["chunks_beyond"] == 5 - chunk


def test_hole_that_was_never_written(image):
    image.write(image.place(4), bytes(image.chunks[4]["extent_bytes"]))
    rc, end = image.check()
    assert (rc, end["verdict"], end["why"], end["chunks_beyond"]) == (6, "hole", "end of log", 1)


@pytest.mark.parametrize("chunk", (0, 1))
def test_damage_before_the_checkpoint(image, chunk):
    """What was flushed before it was written down must be there."""
    image.flip(image.place(chunk) + 2048)
    rc, end = image.check()
    assert (rc, end["verdict"]) == (6, "damaged")


def test_dump_of_a_damaged_log(image):
    """What can be read is shown."""
    image.flip(image.place(3) + 2048)
    result = image.box.run("log", "dump", image.file, "--json")
    assert result.rc == 0 and len(result.json()["chunks"]) == 3
    assert "record 0 has hash" in result.json()["end"]["detail"]


def test_older_chunks_behind_the_end(box):
    """Left over from a lap before, or from behind a truncation: not taken, no hole."""
    image = Image(box, "laps=1", "incarnation=2")
    rc, end = image.check()
    assert rc == 0 and end["verdict"] == "clean" and end["why"] in ("older chunk", "end of log")


# ----------------------------------------------------------------- superblocks


def test_one_superblock_damaged(image):
    """As a crash while it was written leaves it."""
    image.flip(SLOT_BYTES + 100)
    assert image.check()[0] == 0
    slots = image.box.run("log", "check", image.file, "--json").json()["superblocks"]
    assert [slot["valid"] for slot in slots] == [True, False] and "crc" in slots[1]["error"]


def test_newest_superblock_lost(image):
    """The one before does not know the generation that the log goes on with: no crash does that."""
    image.flip(100)
    rc, end = image.check()
    assert (rc, end["verdict"], end["why"], end["chunks"]) == (6, "damaged", "foreign chunk", 0)


def test_both_superblocks_damaged(image):
    for slot in range(2):
        image.flip(slot * SLOT_BYTES + 100)
    for args in (["dump"], ["check"]):
        result = image.box.run("log", *args, image.file)
        assert result.rc == 6 and "superblock 1: superblock has crc" in result.err
        result = image.box.run("log", *args, image.file, "--json")
        assert result.rc == 6 and result.json()["super"] is None


def test_no_log_at_all(box):
    file = box.path / "x"
    file.write_bytes(bytes(1 << 20))
    result = box.run("log", "check", file)
    assert result.rc == 6 and "no LVR log on it" in result.err


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc


@pytest.mark.parametrize("version", (1, 3))
def test_another_format(image, version):
    """Of another version, whole: told as that, not as damage."""
    data = bytearray(Path(image.file).read_bytes()[:2 * SLOT_BYTES])
    for at in (0, SLOT_BYTES):
        struct.pack_into("<II", data, at + 8, version, 0)
        struct.pack_into("<I", data, at + 12, crc32c(data[at:at + SLOT_BYTES]))
    image.write(0, bytes(data))
    result = image.box.run("log", "check", image.file)
    assert result.rc == 6 and f"format version {version}, known is 2" in result.err


def test_too_short(box):
    file = box.path / "x"
    file.write_bytes(bytes(1000))
    result = box.run("log", "check", file)
    assert result.rc == 6 and "too small for a log" in result.err


def test_device_shrunk(image):
    with open(image.file, "r+b") as file:
        file.truncate(MIB * 524288)
    assert image.box.run("log", "check", image.file).rc == 6


@pytest.mark.parametrize("path", ("/nowhere", "/dev/null", "/"))
def test_no_device(box, path):
    assert box.run("log", "check", path).rc == 6


def test_nothing_is_written(image):
    image.file.chmod(0o400)
    before = image.file.read_bytes()
    image.box.run("log", "dump", image.file)
    image.check()
    assert image.file.read_bytes() == before


@pytest.mark.parametrize("seed", range(4))
def test_garbage(image, seed):
    """Whatever lies there: an answer, no crash (the sanitizers look on)."""
    random.seed(seed)
    for _ in range(30):
        at = image.place(0) + random.randrange(80000) // 8 * 8
        image.write(at, random.randbytes(random.randrange(1, 64)))
        rc, end = image.check()
        assert rc in (0, 6) and end["records"] % 3 == 0
