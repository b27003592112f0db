"""Saved post-boot states: a guest of a given shape is booted once, later ones start from its memory.

The state holds nothing of a test: its disks are empty stand-ins of the same size, and the payload
comes in afterwards."""
import fcntl
import hashlib
import os
import subprocess
import time
from functools import lru_cache

from . import paths, qemu
from .agent import Agent
from .kernels import KERNELS

KEPT = 40           # states; the least recently used ones go
BOOT_SECONDS = 300


def find(shape):
    """The file with the state for a shape; makes it if need be."""
    paths.STATES.mkdir(parents=True, exist_ok=True)
    path = paths.STATES / f"{_key(shape)}.state"
    with open(paths.STATES / f"{path.stem}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            os.utime(path)      # before somebody prunes
        else:
            _make(shape, path)
            _prune()
    return path


def _key(shape):
    words = qemu.arguments(shape, _stand_ins(shape), "console")
    parts = [repr(words), _version(), _digest(paths.vmlinux(shape.kernel)),
             _digest(paths.initramfs(shape.kernel))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


@lru_cache
def _version():
    return subprocess.run([qemu.PROGRAM, "--version"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout


@lru_cache
def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stand_ins(shape):
    disks = [([f"driver=null-co,node-name=stand-in{number},size={size},read-zeroes=on"],
              f"stand-in{number}", f"stand-in{number}")
             for number, (size, _, _) in enumerate(shape.disks)]
    return qemu.Backends(disks, [f"hubport,hubid={number}" for number in range(shape.links)])


def _make(shape, path):
    console = path.with_suffix(".console")
    partial = path.with_suffix(".new")
    machine = qemu.Machine(qemu.arguments(shape, _stand_ins(shape), console), console)
    try:
        Agent("saved state", machine.agent_socket, KERNELS[shape.kernel].slowness).greet(BOOT_SECONDS)
        machine.command("migrate-set-parameters", **{"max-bandwidth": 16 << 30})
        machine.command("migrate", uri=f"exec:cat >{partial}")
        while (status := machine.command("query-migrate")["status"]) != "completed":
            if status == "failed":
                raise RuntimeError(f"saving the state failed, see {console}")
            time.sleep(0.02)
    finally:
        machine.kill()
    partial.replace(path)


def _used(path):
    try:
        return path.stat().st_mtime
    except FileNotFoundError:       # somebody else prunes
        return 0


def _prune():
    states = sorted(paths.STATES.glob("*.state"), key=_used)
    for path in states[:-KEPT]:
        with open(path.with_suffix(".lock"), "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:     # in use just now
                continue
            for old in paths.STATES.glob(f"{path.stem}.*"):
                if old.suffix != ".lock":
                    old.unlink(missing_ok=True)
