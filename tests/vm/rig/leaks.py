"""Memory that the module has lost, as the kmemleak of a debug kernel finds it."""
import re

# An object is reported when it is older than five seconds and a scan finds it unreferenced that has
# seen its present content before.
SCAN = """set -e
    file=/sys/kernel/debug/kmemleak
    began=$(cut -d. -f1 /proc/uptime)
    echo scan >$file
    until [ $(cut -d. -f1 /proc/uptime) -gt $((began + 6)) ]; do sleep 0.2; done
    echo scan >$file
    cat $file
"""
# a caller in the module, also in one that has been unloaded: then an address without a name
OURS = re.compile(r"\[dm_lvr\]|\] 0x")


def find(node):
    """The objects with a caller in the module that nothing refers to, as text; '' for none."""
    report = node.run(SCAN, timeout=120).out
    objects = re.split(r"^(?=unreferenced object)", report, flags=re.MULTILINE)
    return "".join(text for text in objects if OURS.search(text))
