"""The record of a volatile disk's writes and flushes, and the disks it may have become.

QEMU's blklogwrites driver keeps the record, in the format of dm-log-writes: a superblock of one
sector, then for each request a header of one sector with the written data behind it. It writes to
the disk's image first, then to the record. The guest's disk takes flushes only (no FUA), so after a
power cut everything up to the last completed flush is there, and of what came later any part, in
any order."""
import os
import random
import struct
from dataclasses import dataclass, replace

SECTOR = 512
FLUSH, FUA, DISCARD = 1, 2, 4
HEADER = struct.Struct("<QQQQ")     # sector, sectors, flags, unused
ZERO_PIECE = 1 << 20
TRIES_MAX = 100     # to make sense of a record


@dataclass(frozen=True)
class Entry:
    """One request of the guest. Its data lies in the record at `place`; None stands for zeroes."""
    sector: int
    sectors: int
    flags: int
    place: int | None

    @property
    def is_flush(self):
        return bool(self.flags & FLUSH)

    @property
    def size(self):
        return self.sectors * SECTOR


def _parse_header(block, size=None):
    """Reads a header: (sector, sectors, flags), or None if the block cannot be one, on a disk of
    that many bytes."""
    sector, sectors, flags, unused = HEADER.unpack_from(block.ljust(SECTOR, b"\0"))
    plain = not unused and not any(block[HEADER.size:]) and not flags & ~(FLUSH | FUA | DISCARD)
    inside = size is None or (sector + sectors) * SECTOR <= size
    return (sector, sectors, flags) if plain and inside and (sectors or flags) else None


def read_entries(log, size=None):
    """Lists the entries of a record, an open file; size: bytes of the disk, tells data that looks like
    a header from headers.

    QEMU takes an entry's place in the record when it begins to write it, so a kill can leave a hole
    where an unfinished one would be: entries go on behind it. The zeroes of a write-zeroes request
    get their place later than its header, so other entries may stand between; the zeroes then show
    as a hole, too. Whether a header has its data behind it is in doubt if a hole follows, or what looks like
    a header; where no entry is found then, the last doubt was decided wrongly."""
    entries, doubts, place, tries = [], [], SECTOR, 0
    while (place := _next_written(log, place)) is not None:
        header = _parse_header(_read(log, place, SECTOR), size)
        if header is None:
            if not doubts or tries == TRIES_MAX:
                raise ValueError(f"no entry at byte {place} of the record")
            tries += 1
            place = _decide_otherwise(entries, *doubts.pop())
            continue
        sector, sectors, flags = header
        place += SECTOR
        follows = _read(log, place, SECTOR)
        has_data = sectors and not flags & DISCARD
        in_place = has_data and not _parse_header(follows, size)
        if has_data and not (in_place and any(follows)):
            doubts.append((len(entries), place))
        entry = Entry(sector, sectors, flags, place if in_place else None)
        entries.append(entry)
        if in_place:
            place += entry.size
    return entries


def _decide_otherwise(entries, number, behind):
    """Forgets the entries from a doubtful one on, and takes that the other way: its data are behind its header,
    or elsewhere. Returns where the next one may be."""
    entry = entries[number]
    in_place = entry.place is None
    entries[number:] = [replace(entry, place=behind if in_place else None)]
    return behind + entry.size if in_place else behind


def flush_marks(entries):
    """The positions n for which entries[:n] ends with a flush."""
    return [n for n, entry in enumerate(entries, 1) if entry.is_flush]


def apply(entry, log, image, torn=None):
    """Plays an entry from a record onto a disk image, both open files. With torn, a random.Random,
    each single sector goes missing by chance."""
    if entry.place is None:
        _write_zeroes(image, entry.sector * SECTOR, entry.size)
        return
    data = _read(log, entry.place, entry.size)
    step = SECTOR if torn else max(entry.size, 1)
    for start in range(0, entry.size, step):
        if not torn or torn.random() < 0.5:
            os.pwrite(image.fileno(), data[start:start + step], entry.sector * SECTOR + start)


def replay(entries, log, image):
    """Plays entries onto an image in their order."""
    for entry in entries:
        apply(entry, log, image)


def cut_power(log, image, live, seed):
    """Makes of image, the disk as it was before the record, what a power cut may leave: all up to
    the last flush, and behind it each entry there, missing or torn, in any order. live is the image
    that QEMU wrote to."""
    entries = read_entries(log, os.fstat(image.fileno()).st_size)
    stable = max(flush_marks(entries), default=0)
    replay(entries[:stable], log, image)
    chance = random.Random(seed)
    tail = [entry for entry in entries[stable:] if not _is_unfinished(entry, log, live)]
    tail = [entry for entry in tail if chance.random() < 0.75]
    chance.shuffle(tail)
    for entry in tail:
        apply(entry, log, image, torn=chance if chance.random() < 0.25 else None)


def drop_unflushed(log, image):
    """Makes of image, the disk as it was before the record, the disk as of the last flush."""
    entries = read_entries(log, os.fstat(image.fileno()).st_size)
    replay(entries[:max(flush_marks(entries), default=0)], log, image)


def _is_unfinished(entry, log, live):
    """Whether the kill fell into the recording of this entry, so that part of its data is missing.
    A hole in the record may also be a write of zeroes; then the live image has zeroes there."""
    if entry.place is None or not entry.size:
        return False
    end = entry.place + entry.size
    hole = os.lseek(log.fileno(), entry.place, os.SEEK_HOLE)
    while hole < end:
        data = _seek_data(log, hole)
        data = end if data is None else min(data, end)
        if any(_read(live, entry.sector * SECTOR + hole - entry.place, data - hole)):
            return True
        hole = os.lseek(log.fileno(), data, os.SEEK_HOLE) if data < end else end
    return False


def _write_zeroes(image, offset, size):
    """Zeroes a range, leaving holes as they are."""
    for start in range(offset, offset + size, ZERO_PIECE):
        piece = min(ZERO_PIECE, offset + size - start)
        if any(_read(image, start, piece)):
            os.pwrite(image.fileno(), bytes(piece), start)


def _read(file, offset, size):
    """Reads size bytes; zeroes behind the end of the file."""
    return os.pread(file.fileno(), size, offset).ljust(size, b"\0")


def _seek_data(file, offset):
    try:
        return os.lseek(file.fileno(), offset, os.SEEK_DATA)
    except OSError:     # only a hole from here on
        return None


def _next_written(log, place):
    """The next sector of the record, at or behind place, that is not all zero."""
    while (data := _seek_data(log, place)) is not None:
        place = max(place, data // SECTOR * SECTOR)
        if any(_read(log, place, SECTOR)):
            return place
        place += SECTOR
    return None
