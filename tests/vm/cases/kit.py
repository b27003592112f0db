"""What the cases about shapes, links and lifecycles share, beside pair.py."""
import re
from pathlib import Path

NAMES = (Path(__file__).parents[3] / "include/lvr/names.h").read_text()


def names_of(vocabulary):
    """First words of a vocabulary of names.h, in order: the X(first, ...) of LVR_<vocabulary>."""
    body = re.search(rf"#define LVR_{vocabulary}\(X\)(.*?)\n\n", NAMES, re.DOTALL).group(1)
    return re.findall(r"\bX\((\w+)", body)


def origin(pair, node, volume):
    """What a node's origin holds, read by the host: nothing in the guest can be in the way."""
    disk = node.disks[volume]
    return disk.read(0, disk.size)


def assert_same_bytes(pair):
    """After pair.assert_equal() or a stop: the origins of both nodes, byte by byte."""
    for volume in pair.volumes:
        a, b = origin(pair, pair.a, volume), origin(pair, pair.b, volume)
        if a != b:
            at = next(i for i in range(0, len(a), 512) if a[i:i + 512] != b[i:i + 512])
            raise AssertionError(f"{volume} differs from byte {at} on: "
                                 f"{a[at:at + 16].hex()} at alpha, {b[at:at + 16].hex()} at beta")


def settle(pair, primary=None):
    """Everything written until now is durable and on the volumes of both nodes; a mounted file
    system may go on by itself."""
    primary = primary or pair.a
    other = pair.b if primary is pair.a else pair.a
    written = at_least(pair.status(primary)["head"])
    pair.wait(primary, destaged=written, durable=written, checkpoint=written)
    pair.wait(other, destaged=written, checkpoint=written)


def at_least(number):
    return lambda value: value >= number


def refused(node, command, *words, timeout=60):
    """A command must fail, and what it says must hold the words. Returns the text."""
    result = node.run(command, check=False, timeout=timeout)
    text = result.out + result.err
    assert result.rc != 0, f"not refused: {command}\n{text}"
    for word in words:
        assert word in text, f"{command}: {word!r} is not in: {text}"
    return text


def kernel_says(node, command, *words):
    """As refused(), but the reason is in the kernel log."""
    node.run("dmesg -C >/dev/null 2>&1 || dmesg -c >/dev/null")
    result = node.run(command, check=False)
    assert result.rc != 0, f"not refused: {command}\n{result.out}"
    text = node.run("dmesg").out
    for word in words:
        assert word in text, f"{command}: {word!r} is not in: {text}\n{result.err}"
    return text


def threads(node):
    """How many threads the kernel has: children of kthreadd."""
    return int(node.run("cat /proc/[0-9]*/stat 2>/dev/null | grep -c '^[0-9]* (.*) . 2 '").out)


def uptime_s(node):
    return float(node.run("cat /proc/uptime").out.split()[0])


def mem_free_kib(node):
    return int(node.run("echo 3 >/proc/sys/vm/drop_caches; grep MemFree: /proc/meminfo").out.split()[1])


def connections(node, port):
    """How many connections a port of a node has, accepted or not."""
    return len(node.run(f"ss -Htn state established sport = :{port}").out.splitlines())


def fill(node, device, mib, seek_mib=0, check=True, timeout=120):
    """Writes so many MiB of noise."""
    return node.run(f"dd if=/dev/urandom of={device} bs=1M count={mib} seek={seek_mib} "
                    f"oflag=direct conv=notrunc 2>&1", timeout=timeout, check=check)


def trace_wakers(node, thread, stacks=False):
    """From now on records who wakes a thread."""
    trigger = f"""echo 'stacktrace if comm ~ "{thread}*"' > events/sched/sched_waking/trigger""" if stacks else ":"
    node.run(f"""set -e; cd /sys/kernel/tracing; [ -e trace ] || mount -t tracefs tracefs .
        cd /sys/kernel/tracing; {trigger}
        echo 'comm ~ "{thread}*"' > events/sched/sched_waking/filter; echo 1 > events/sched/sched_waking/enable""")


def traced(node):
    return node.run("cd /sys/kernel/tracing; echo 0 > events/sched/sched_waking/enable; cat trace").out


def stop_incomplete(pair, node):
    """The volumes lack what the log holds: it is stopped all the same, and says so."""
    result = node.run(f"lvrctl stop {pair.group}", check=False)
    assert result.rc == 6 and "NOT complete" in result.err, result.out + result.err
