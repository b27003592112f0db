"""The host's side of the agent: runs commands in a guest, several at once.

The frames are described in agent/agent.c."""
import itertools
import os
import signal
import struct
import threading
from dataclasses import dataclass

from .errors import CommandFailed, CommandTimeout, NodeDied
from .patience import NAP_SECONDS, Patience

HELLO, RUN, INPUT, SIGNAL, OUT, ERR, EXIT = range(1, 8)
HEADER = struct.Struct("<IBI")
INPUT_BYTES = 256 << 10


@dataclass(frozen=True)
class Result:
    """How a command ended: exit status (negative: the signal), and what it wrote."""
    rc: int
    out: str
    err: str


class Job:
    """A command in a guest."""

    def __init__(self, agent, number, command):
        self.command = command
        self.stdout = b""
        self.stderr = b""
        self.rc = None
        self._agent = agent
        self._number = number

    @property
    def out(self):
        return self.stdout.decode(errors="replace")

    @property
    def err(self):
        return self.stderr.decode(errors="replace")

    def poll(self):
        """The exit status, or None while the command runs."""
        with self._agent.changed:
            if self.rc is None and self._agent.lost:
                raise NodeDied(f"{self._agent.name} ended during: {self.command}")
            return self.rc

    def join(self, timeout):
        """Waits for the command to end, or not."""
        self._agent.wait_for(lambda: self.rc is not None, timeout)

    def wait(self, timeout=60, check=True):
        """Waits for the command to end; with check, it must have succeeded."""
        self.join(timeout)
        if self.poll() is None:
            self._agent.on_timeout()
            self.kill()
            raise CommandTimeout(f"{self._agent.name}: not done, the limit is {timeout} s: {self.command}\n"
                                 f"{self.out}{self.err}")
        if check and self.rc:
            raise CommandFailed(f"{self._agent.name}: status {self.rc}: {self.command}\n"
                                f"{self.out}{self.err}")
        return Result(self.rc, self.out, self.err)

    def input(self, data):
        """Gives the command more to read."""
        for start in range(0, len(data), INPUT_BYTES):
            self._agent.send(INPUT, self._number, data[start:start + INPUT_BYTES])

    def end_input(self):
        self._agent.send(INPUT, self._number, b"")

    def kill(self, number=signal.SIGKILL):
        """Sends a signal to the command and its children."""
        self._agent.send(SIGNAL, self._number, bytes([number]))

    def take(self, kind, body):
        """Takes in a frame from the guest."""
        if kind == OUT:
            self.stdout += body
        elif kind == ERR:
            self.stderr += body
        elif kind == EXIT:
            self.rc = os.waitstatus_to_exitcode(struct.unpack("<I", body)[0])


class Agent:
    """The connection to one run of a guest."""

    def __init__(self, name, sock, slowness=1, on_timeout=lambda: None, guest_first=False):
        """on_timeout is called when a command takes too long, before that is killed. guest_first: the line loses
        what is sent before the guest has opened it, so the guest speaks first."""
        self.name = name
        self.slowness = slowness
        self.on_timeout = on_timeout
        self.lost = False
        self.changed = threading.Condition()
        self._sock = sock
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._jobs = {}
        self._hello = False
        self._guest_first = guest_first
        threading.Thread(target=self._receive, name=f"agent {name}", daemon=True).start()

    def greet(self, timeout):
        """Waits until the guest answers."""
        if not self._guest_first:
            self.send(HELLO, 0, b"")
        self.wait_for(lambda: self._hello, timeout)
        if not self._hello:
            raise NodeDied(f"{self.name} did not come up")

    def wait_for(self, condition, timeout):
        """Waits until a frame of the guest makes the condition true, or the guest is gone."""
        patience = Patience(timeout * self.slowness)
        with self.changed:
            while not condition() and not self.lost and patience.lasts():
                self.changed.wait(NAP_SECONDS)

    def spawn(self, command, input=b""):
        """Starts a shell command. With input None, Job.input() feeds it."""
        number = next(self._numbers)
        job = Job(self, number, command)
        with self.changed:
            self._jobs[number] = job
        self.send(RUN, number, command.encode())
        if input is not None:
            job.input(input)
            job.end_input()
        return job

    def send(self, kind, number, body):
        try:
            with self._sending:
                self._sock.sendall(HEADER.pack(len(body), kind, number) + body)
        except OSError as error:
            raise NodeDied(f"{self.name} is not running") from error

    def _receive(self):
        with self._sock.makefile("rb") as stream:
            try:
                while True:
                    size, kind, number = HEADER.unpack(stream.read(HEADER.size))
                    self._handle(kind, number, stream.read(size))
            except (OSError, struct.error):     # cut short: the guest is gone
                pass
        with self.changed:
            self.lost = True
            self.changed.notify_all()

    def _handle(self, kind, number, body):
        with self.changed:
            if kind == HELLO:
                self._hello = True
            else:
                self._jobs[number].take(kind, body)
                if kind == EXIT:
                    del self._jobs[number]
            self.changed.notify_all()
