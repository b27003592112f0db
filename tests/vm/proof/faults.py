"""The faults of the matrix. Each proves that it has happened: what the rule wants to be seen afterwards is
often what was seen before."""
from dataclasses import dataclass
from typing import Callable

from cell import GOES_ON, STOPPED

IOCTL, WRITE = 16, 1    # system calls
TRY = """dd if={device} of=/dev/null bs=4k count=1 iflag=direct &&
         dd if=/dev/null of={device} conv=notrunc,fsync"""


# ---------------------------------------------------------------- devices below

def broken(where, name, target):
    """Noticed by the group when it next writes there."""
    def inject(cell):
        node = getattr(cell, where)
        cell.swap(node, name, target)
        result = node.run(TRY.format(device=f"/dev/mapper/below-{name}"), check=False)
        assert "Input/output error" in result.err, result.err
        if name == "v1" and cell.state.io == GOES_ON and (node is cell.node or cell.state.connected):
            cell.pair.lab.wait(lambda: cell.pair.volume_origin(node, name) != "ok", timeout=120,
                               what="the origin's errors to be noticed")
    return inject


def slow(name):
    """The group's I/O is kept back, or, where it has nothing to do, that of somebody who reads there."""
    def inject(cell):
        cell.swap(cell.node, name, "slow")
        reader = None
        if cell.state.io != GOES_ON:
            reader = cell.node.spawn(f"dd if=/dev/mapper/below-{name} of=/dev/null bs=512 iflag=direct")
        cell.pair.lab.wait(lambda: any(cell.pair.delayed(cell.node, name)), what=f"I/O of {name} to be slow")
        if reader:
            reader.kill()
    return inject


# ---------------------------------------------------------------- link and power

def cut(cell):
    cell.pair.lab.cut()
    assert cell.node.run(f"ping -c 1 -W 1 {cell.peer.address}", check=False).rc != 0


def lose_power(which):
    def inject(cell):
        node = getattr(cell, which)
        node.power_cut(cell.seed)
        cell.down.append(node)
    return inject


# ---------------------------------------------------------------- orders

def waits_in(node, call, program, word):
    """The processes of a program, with a word in their command lines, that wait in a system call."""
    return node.run(f"""for process in $(pidof {program}); do
        grep -qa {word} /proc/$process/cmdline && grep -q '^{call} ' /proc/$process/syscall && echo $process
    done""", check=False).out


def order(cell, text, check=True):
    """Where it waits for a device that holds the state open, that lets go once the order has come so far."""
    job = cell.node.spawn(text)
    if cell.held:
        looks = []

        def ended_or_waits():
            looks.append(waits_in(cell.node, IOCTL, "dmsetup", "suspend") +
                         waits_in(cell.node, IOCTL, "lvrctl", "stop"))
            return job.poll() is not None or looks[-1] and looks[-2:] == 2 * looks[-1:]
        cell.pair.lab.wait(ended_or_waits, what="an order to end or to wait in the kernel")
        cell.release()
    return job.wait(timeout=120, check=check)


def tables(cell, field, names):
    return [cell.node.run(f"dmsetup info -c --noheadings -o {field} {name}").out.strip() for name in names]


def suspend(flags="", reload=False):
    """Each device of the group, the volumes first, then another, the group first."""
    def inject(cell):
        names = [f"{cell.pair.group}-{volume}" for volume in cell.pair.volumes] + [cell.pair.group]
        load = "dmsetup table {0} | dmsetup load {0}\n" if reload else ""
        lines = [f"{load}dmsetup suspend {flags} {{0}}".format(name) for name in names]
        order(cell, "\n".join(["set -e", *lines]))
        assert tables(cell, "suspended", names) == ["Suspended"] * len(names)
        assert tables(cell, "tables_loaded", names) == ["Both" if reload else "Live"] * len(names)
        held = write_held(cell) if cell.state.serves and cell.state.io == GOES_ON else None
        cell.node.run("\n".join(["set -e", *(f"dmsetup resume {name}" for name in names[::-1])]), timeout=120)
        assert tables(cell, "suspended", names) == ["Active"] * len(names)
        assert tables(cell, "tables_loaded", names) == ["Live"] * len(names)
        if held:
            held.wait(timeout=120)
    return inject


def write_held(cell):
    """While the volumes are suspended: one more write is on its way, and none comes to the log."""
    device = cell.pair.device("v1")
    job = cell.node.spawn(f"dd if=/dev/zero of={device} bs=4k seek=512 count=1 oflag=direct conv=notrunc")
    cell.pair.lab.wait(lambda: waits_in(cell.node, WRITE, "dd", device), what="a write to wait")
    writes = [cell.pair.status(cell.node)["writes"] for _ in range(2)]
    assert writes[0] == writes[1] and job.poll() is None
    return job


def unload(cell):
    result = cell.node.run("rmmod dm-lvr", check=False)
    assert result.rc != 0 and "in use" in result.out + result.err, result.out + result.err


def stop(cell):
    """Refused where a volume is open."""
    is_open = cell.state.serves and cell.writer
    result = order(cell, "lvrctl stop g0", check=False)
    if is_open:
        assert result.rc and "open" in result.err, result.out + result.err
    else:
        assert result.rc in STOPPED, result.out + result.err
        cell.down.append(cell.node)


@dataclass(frozen=True)
class Fault:
    """What happens, and what of whom then refuses: its log or its origin."""
    inject: Callable
    breaks: tuple = ()


def breaks(where, name, target):
    return Fault(broken(where, name, target), (where, "log" if name == "log" else "origin"))


FAULTS = {
    "log errors": breaks("node", "log", "error"),
    "log refuses writes": breaks("node", "log", "flakey"),
    "log slow": Fault(slow("log")),
    "origin errors": breaks("node", "v1", "error"),
    "origin refuses writes": breaks("node", "v1", "flakey"),
    "origin slow": Fault(slow("v1")),
    "peer's log errors": breaks("peer", "log", "error"),
    "peer's origin errors": breaks("peer", "v1", "error"),
    "peer vanishes": Fault(cut),
    "peer loses power": Fault(lose_power("peer")),
    "node loses power": Fault(lose_power("node")),
    "suspend, resume": Fault(suspend()),
    "suspend --noflush, resume": Fault(suspend("--noflush")),
    "table reload": Fault(suspend(reload=True)),
    "rmmod": Fault(unload),
    "lvrctl stop": Fault(stop),
}
