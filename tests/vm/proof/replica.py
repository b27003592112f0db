"""The recovery of a node's disks without the module: what the log holds is written to the volumes by
this file, from what `lvrctl log dump` says of it. A second opinion: of the module's code it uses the
recovery scan alone."""
import json
import os
import subprocess

from lane import Violation
from rig import paths

SECTOR = 512
ENVELOPE_BYTES, HEAD_BYTES, RECORD_BYTES = 64, 96, 32
LVRCTL = paths.BUILD / "lvrctl/lvrctl"
ORACLE = paths.BUILD / "guest/tools/oracle"


class Replica:
    """The disks of a node at a crash point: log and volumes, the first ones of a timeline, which can be
    restored."""

    def __init__(self, timeline, volumes):
        self.timeline = timeline
        self.images = timeline.images[:1 + volumes]
        dump = subprocess.run([LVRCTL, "log", "dump", "--json", self.images[0].name], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        try:
            self.dump = json.loads(dump.stdout)
        except json.JSONDecodeError:
            raise Violation(f"lvrctl log dump: {dump.returncode} {dump.stderr} {dump.stdout[-300:]}") from None
        self.sb = self.dump["super"]
        if not self.sb:
            raise Violation(f"no superblock: {self.dump['superblocks']}")
        if self.verdict == "damaged":
            raise Violation(f"the log is damaged: {self.dump['end']}, checkpoint {self.sb['checkpoint']}")

    @property
    def verdict(self):
        return self.dump["end"]["verdict"]

    @property
    def consistent(self):
        return not {"inconsistent", "blank"} & set(self.sb["flags"])

    @property
    def limit_seq(self):
        """How far the node replays by itself; a promoted one goes to the head."""
        return None if "primary" in self.sb["flags"] else self.sb["durable_limit_seq"]

    def replay(self, from_off=None, limit_seq=None):
        """Brings the volumes to the limit, None for the head. Returns the off where it ended."""
        at = self.sb["checkpoint"]["off"] if from_off is None else from_off
        for chunk in self.dump["chunks"]:
            if chunk["off"] < at:
                continue
            records = 0 if "noseq" in chunk["flags"] else len(chunk["records"])
            if limit_seq is not None and chunk["first_seq"] + records > limit_seq:
                break
            self._replay_chunk(chunk)
            at = chunk["off"] + chunk["extent_bytes"]
        return at

    def _replay_chunk(self, chunk):
        head = ENVELOPE_BYTES + HEAD_BYTES + RECORD_BYTES * len(chunk["records"])
        place = chunk["off"] + -(-head // SECTOR) * SECTOR
        for record in chunk["records"]:
            if "volume" not in record:
                continue
            size = record["len_sect"] * SECTOR
            data = bytes(size)
            if record["type"] == "write":
                data = self._ring(place, size)
                place += size
            self.timeline.change(1 + record["volume"], record["start_sect"] * SECTOR, data)

    def _ring(self, off, size):
        """Bytes of the ring, which begins anew at its end."""
        start, ring = self.sb["ring_start_sect"] * SECTOR, self.sb["ring_bytes"]
        first = min(size, ring - off % ring)
        log = self.images[0].fileno()
        return os.pread(log, first, start + off % ring) + os.pread(log, size - first, start)

    def check(self, load, promised):
        """The prefix oracle over the volumes; returns the number of the newest write found."""
        result = subprocess.run([ORACLE, "check", str(load.seed), str(promised), str(load.block), str(load.blocks),
                                 *(image.name for image in self.images[1:])], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        if result.returncode:
            raise Violation(f"promised {promised}: {result.stdout}; {self.describe()}")
        return int(result.stdout.split("prefix ")[1].split()[0])

    def describe(self):
        keys = ("sb_seq", "flags", "tail", "checkpoint", "durable_limit_seq")
        return f"superblock {({key: self.sb[key] for key in keys})}, log ends {self.dump['end']}"
