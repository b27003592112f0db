"""What the disks of a node were asked to write, in one order, and what a power cut may make of them.

The record is a sequence of entries: a header, and behind that of a write its data. A flush says how
many entries there were when it arrived: those of its disk among them are stable once it is there."""
import os
import random
import struct
from dataclasses import dataclass

SECTOR = 512
WRITE, FLUSH, DISCARD = 1, 2, 3
HEADER = struct.Struct("<BBxxxxxxQQQ")      # disk, kind, covers, offset, length


@dataclass(frozen=True)
class Entry:
    """One request. place: where its data lies in the record; end: bytes of the record with it."""
    disk: int
    kind: int
    covers: int
    offset: int
    length: int
    place: int = 0
    end: int = 0

    def pack(self):
        return HEADER.pack(self.disk, self.kind, self.covers, self.offset, self.length)


def read_entries(record):
    """The entries of a record, an open file, without one that a kill cut short."""
    size, at, entries = os.fstat(record.fileno()).st_size, 0, []
    while at + HEADER.size <= size:
        disk, kind, covers, offset, length = HEADER.unpack(os.pread(record.fileno(), HEADER.size, at))
        place = at + HEADER.size
        at = place + (length if kind == WRITE else 0)
        if at > size:
            break
        entries.append(Entry(disk, kind, covers, offset, length, place, at))
    return entries


class Timeline:
    """Goes along a record with the images of its disks, open files that hold what the record began with."""

    def __init__(self, record, images):
        self.record, self.images = record, images
        self.entries = read_entries(record)
        self.at = 0
        self._loose = [[] for _ in images]      # indices of writes that no flush covers yet
        self._undo = []

    def close(self):
        for file in (self.record, *self.images):
            file.close()

    @property
    def marks(self):
        """Positions just before a flush is recorded that makes something stable: there most is at stake."""
        marks, dirty = [], set()
        for index, entry in enumerate(self.entries):
            if entry.kind != FLUSH:
                dirty.add(entry.disk)
            elif entry.disk in dirty:
                marks.append(index)
                dirty.discard(entry.disk)
        return marks

    def advance(self, position):
        """Brings the images to what is stable after the first `position` entries."""
        self.restore()
        for index in range(self.at, position):
            entry = self.entries[index]
            loose = self._loose[entry.disk]
            if entry.kind != FLUSH:
                loose.append(index)
                continue
            for covered in [i for i in loose if i < entry.covers]:
                self._put(self.entries[covered])
            loose[:] = [i for i in loose if i >= entry.covers]
        self.at = position

    def cut(self, policies, seed):
        """Makes of the images what a power cut may leave here, until restore(). A policy for each disk:
        of what is not stable there is nothing (drop), all (keep), or a part, in any order, sectors of
        some missing (random)."""
        chance = random.Random(seed)
        self.restore()
        for loose, policy in zip(self._loose, policies, strict=True):
            if policy == "keep":
                for index in loose:
                    self._put(self.entries[index], undo=True)
            elif policy == "random":
                part = [index for index in loose if chance.random() < 0.7]
                chance.shuffle(part)
                for index in part:
                    self._put(self.entries[index], undo=True, torn=chance if chance.random() < 0.3 else None)
            elif policy != "drop":
                raise ValueError(f"no such policy: {policy}")

    def loose(self):
        """How many writes of each disk a power cut may lose here."""
        return [len(loose) for loose in self._loose]

    def restore(self):
        """Takes back what cut() did, and whatever else was saved for undoing."""
        while self._undo:
            disk, offset, data = self._undo.pop()
            os.pwrite(self.images[disk].fileno(), data, offset)

    def change(self, disk, offset, data):
        """Writes to an image until restore(), as a recovery does."""
        self._undo.append((disk, offset, os.pread(self.images[disk].fileno(), len(data), offset)))
        os.pwrite(self.images[disk].fileno(), data, offset)

    def _put(self, entry, undo=False, torn=None):
        data = bytes(entry.length) if entry.kind == DISCARD else \
            os.pread(self.record.fileno(), entry.length, entry.place)
        if undo and not torn:
            self.change(entry.disk, entry.offset, data)
            return
        step = SECTOR if torn else max(entry.length, 1)
        for start in range(0, entry.length, step):
            piece = data[start:start + step]
            if torn and torn.random() < 0.5:
                continue
            if undo:
                self.change(entry.disk, entry.offset + start, piece)
            else:
                os.pwrite(self.images[entry.disk].fileno(), piece, entry.offset + start)
