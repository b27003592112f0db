"""Rebuilding disks from the record of their writes, without any virtual machine."""
import pytest
from rig import writelog
from rig.writelog import DISCARD, FLUSH, HEADER, SECTOR, Entry

SECTORS = 64


class Record:
    """Writes a record the way QEMU does, and the live image with it."""

    def __init__(self, directory):
        self.log = open(directory / "record", "w+b")
        self.image = open(directory / "image", "w+b")
        self.live = open(directory / "live", "w+b")
        for file, size in ((self.log, 1 << 30), (self.image, SECTORS * SECTOR),
                           (self.live, SECTORS * SECTOR)):
            file.truncate(size)
        self.place = SECTOR

    def header(self, sector, sectors, flags=0):
        self.put(HEADER.pack(sector, sectors, flags, 0).ljust(SECTOR, b"\0"))

    def put(self, data):
        self.log.seek(self.place)
        self.log.write(data)
        self.log.flush()
        self.place += len(data)

    def write(self, sector, data, recorded=True):
        self.live.seek(sector * SECTOR)
        self.live.write(data)
        self.live.flush()
        if recorded:
            self.header(sector, len(data) // SECTOR)
            self.put(data)

    def flush(self):
        self.header(0, 0, FLUSH)

    def content(self):
        self.image.seek(0)
        return self.image.read()

    def sector(self, number):
        return self.content()[number * SECTOR:(number + 1) * SECTOR]


@pytest.fixture
def record(tmp_path):
    made = Record(tmp_path)
    yield made
    for file in (made.log, made.image, made.live):
        file.close()


def block(letter, sectors=1):
    return letter.encode() * SECTOR * sectors


def test_empty_record(record):
    assert writelog.read_entries(record.log) == []


def test_entries_and_flush_marks(record):
    record.write(0, block("a"))
    record.flush()
    record.write(4, block("b", 2))
    record.header(8, 8, DISCARD)
    record.flush()
    entries = writelog.read_entries(record.log)
    assert [(e.sector, e.sectors, e.flags) for e in entries] == [
        (0, 1, 0), (0, 0, FLUSH), (4, 2, 0), (8, 8, DISCARD), (0, 0, FLUSH)]
    assert writelog.flush_marks(entries) == [2, 5]


def test_zero_data_is_data(record):
    record.write(0, block("a"))
    record.write(0, bytes(SECTOR))
    record.write(1, bytes(2 * SECTOR))
    record.write(3, block("b"))
    entries = writelog.read_entries(record.log)
    writelog.replay(entries, record.log, record.image)
    assert len(entries) == 4
    assert record.content()[:4 * SECTOR] == bytes(3 * SECTOR) + block("b")


def test_hole_of_an_unfinished_entry_is_passed(record):
    record.write(0, block("a"))
    record.place += 3 * SECTOR
    record.write(1, block("b"))
    record.flush()
    assert [e.sector for e in writelog.read_entries(record.log)] == [0, 1, 0]


def test_zeroes_placed_behind_another_entry(record):
    record.image.write(block("x", SECTORS))
    record.image.flush()
    record.header(0, 8)             # write-zeroes: header, then others, then the zeroes
    record.write(20, block("b"))
    record.flush()
    record.place += 8 * SECTOR
    record.write(21, block("c"))
    entries = writelog.read_entries(record.log)
    assert entries[0] == Entry(0, 8, 0, None)
    writelog.replay(entries, record.log, record.image)
    assert record.content()[:9 * SECTOR] == bytes(8 * SECTOR) + block("x")
    assert (record.sector(20), record.sector(21)) == (block("b"), block("c"))


def test_data_like_a_header_is_data(record):
    """A sector of little text can be read as a header, but of one that lies beyond the disk."""
    text = b"above\nbeta\n".ljust(SECTOR, b"\0")
    record.write(0, text)
    record.write(1, block("b"))
    entries = writelog.read_entries(record.log, SECTORS * SECTOR)
    assert [e.sector for e in entries] == [0, 1]
    writelog.replay(entries, record.log, record.image)
    assert record.content()[:2 * SECTOR] == text + block("b")


def test_data_like_a_header_of_this_disk_is_data(record):
    record.write(5, HEADER.pack(3, 2, 0, 0).ljust(SECTOR, b"\0") + block("a", 3))
    record.flush()
    entries = writelog.read_entries(record.log, SECTORS * SECTOR)
    assert entries == [Entry(5, 4, 0, 2 * SECTOR), Entry(0, 0, FLUSH, None)]


def test_zeroes_that_got_no_place(record):
    record.write(0, block("a"))
    record.header(0, 3)             # write-zeroes: the kill comes before its zeroes get a place
    record.place += 2 * SECTOR      # an unfinished entry
    record.write(20, block("b", 4))
    entries = writelog.read_entries(record.log, SECTORS * SECTOR)
    assert [(e.sector, e.sectors, e.place is None) for e in entries] == [(0, 1, False), (0, 3, True), (20, 4, False)]


def test_rubbish_is_refused(record):
    record.put(b"\xff" * SECTOR)
    with pytest.raises(ValueError):
        writelog.read_entries(record.log)


def test_drop_unflushed(record):
    record.write(0, block("a"))
    record.flush()
    record.write(0, block("b"))
    record.write(1, block("c"))
    writelog.drop_unflushed(record.log, record.image)
    assert record.content()[:2 * SECTOR] == block("a") + bytes(SECTOR)


def test_discard_zeroes(record):
    record.write(0, block("a", 4))
    record.header(1, 2, DISCARD)
    record.flush()
    writelog.drop_unflushed(record.log, record.image)
    assert record.content()[:4 * SECTOR] == block("a") + bytes(2 * SECTOR) + block("a")


@pytest.mark.parametrize("seed", range(50))
def test_power_cut_keeps_what_was_flushed(record, seed):
    record.write(0, block("a", 4))
    record.flush()
    record.write(2, block("b", 4))
    record.write(8, block("c"))
    writelog.cut_power(record.log, record.image, record.live, seed)
    assert record.content()[:2 * SECTOR] == block("a", 2)
    for number in range(2, SECTORS):
        wanted = {block("a") if number < 4 else bytes(SECTOR)}
        if number < 6:
            wanted.add(block("b"))
        if number == 8:
            wanted.add(block("c"))
        assert record.sector(number) in wanted


def outcomes(tmp_path, seeds, writes):
    found = set()
    for seed in seeds:
        directory = tmp_path / str(seed)
        directory.mkdir()
        record = Record(directory)
        for sector, data in writes:
            record.write(sector, data)
        writelog.cut_power(record.log, record.image, record.live, seed)
        found.add(record.content()[:8 * SECTOR])
    return found


def test_power_cut_varies(tmp_path):
    """Dropped, kept, torn and reordered: each happens for some seed."""
    found = outcomes(tmp_path, range(200), [(0, block("a", 4)), (0, block("b", 4))])
    assert bytes(8 * SECTOR) in found
    assert block("a", 4) + bytes(4 * SECTOR) in found
    assert block("b", 4) + bytes(4 * SECTOR) in found
    assert any(b"a" in image and b"b" in image for image in found)
    assert any(b"a" in image and image.count(0) > 4 * SECTOR for image in found)


def test_power_cut_is_repeatable(tmp_path):
    writes = [(n % 8, block(chr(97 + n))) for n in range(20)]
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
    assert outcomes(tmp_path / "one", [7], writes) == outcomes(tmp_path / "two", [7], writes)


def test_entry_cut_short_by_the_kill_is_no_write(tmp_path):
    """Its header is in the record, its data is not: zeroes must not appear on the disk."""
    for seed in range(20):
        directory = tmp_path / str(seed)
        directory.mkdir()
        record = Record(directory)
        record.image.write(block("x", SECTORS))
        record.image.flush()
        record.place = 8 * SECTOR - SECTOR      # the data starts a page of its own
        record.write(0, block("a", 16), recorded=False)
        record.header(0, 16)
        writelog.cut_power(record.log, record.image, record.live, seed)
        assert record.content() == block("x", SECTORS)
