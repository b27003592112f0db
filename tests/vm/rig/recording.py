"""The recorded disks of a node: a process serves them and keeps their one record (recorder.py)."""
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from .patience import Patience
from .timeline import Timeline

START_SECONDS = 20
POLL_SECONDS = 0.02
RIG = Path(__file__).resolve().parents[1]


class Recording:
    """Made anew at each start of the node; what was recorded before is gone then."""

    def __init__(self, directory, node, disks):
        self.disks = disks
        self.path = Path(directory) / f"{node}.record"
        self.socket = Path(directory) / f"{node}.nbd"
        self._process = None

    def start(self):
        self.stop()
        self.socket.unlink(missing_ok=True)
        words = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "rig.recorder", self.socket, self.path,
                 *(f"{disk.name}={disk.live}" for disk in self.disks)]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                         env=os.environ | {"PYTHONPATH": str(RIG)})
        patience = Patience(START_SECONDS)
        while not self._answers():
            if self._process.poll() is not None or not patience.lasts():
                raise RuntimeError(f"the recorder of {self.path} does not answer")
            time.sleep(POLL_SECONDS)

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def stop(self):
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def size(self):
        """Bytes recorded until now: what is done later comes behind them."""
        return self.path.stat().st_size

    def timeline(self, directory):
        """The record, with copies of the disks as they were when it began, in a directory of the
        caller. Taken while the node is off."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        record = directory / "record"
        shutil.move(self.path, record)
        for disk in self.disks:
            subprocess.run(["cp", "--sparse=always", disk.image, directory / disk.name], check=True)
        return Timeline(open(record, "rb"), [open(directory / disk.name, "r+b") for disk in self.disks])
