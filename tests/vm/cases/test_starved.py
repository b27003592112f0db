"""Allocations that fail, one after the other and at random: each failure is told and undone, nothing
is lost by it, and what is asked again works. Needs a kernel with fault injection."""
import pytest
from pair import SLOW, Load, Pair
from rig.kernels import KERNELS

pytestmark = pytest.mark.debug

LOAD, RESUME, MESSAGE = 9, 6, 14        # ioctls of device-mapper
# the staging memory alone is more than a thousand pages: all of the first ones, then some
NUMBERS = [*range(1, 31), *(int(30 * 1.35 ** n) for n in range(1, 16))]

ARM = """set -e
    cd /sys/kernel/debug
    for kind in failslab fail_page_alloc; do
        echo 0 >$kind/probability
        echo 0 >$kind/verbose
        echo 1000000 >$kind/times
        echo N >$kind/ignore-gfp-wait
    done
    echo 0 >fail_page_alloc/min-order
    echo N >fail_page_alloc/ignore-gfp-highmem
    modprobe dm-lvr
"""


# the kernel prints a trace where some of its own functions lack memory
BY_RULE = "kmem_cache_create.* failed with error -(12|22)|vmalloc error: |page allocation failure: "


def arm(node):
    node.run(ARM)
    node.console.expect_trace(BY_RULE)


def aim(node):
    """Random failures hit only what the module asks for, in whatever thread."""
    start, size = node.run("cd /sys/module/dm_lvr; cat sections/.text coresize").out.split()
    end = int(start, 16) + int(size)
    node.run(f"""set -e
        for kind in failslab fail_page_alloc; do
            echo {start} >/sys/kernel/debug/$kind/require-start
            echo {end:#x} >/sys/kernel/debug/$kind/require-end
        done""")


def starve(node, ioctl, attempt, undo, again):
    """Runs a command with the first allocation of its ioctl failing, then the second, and so on. One
    that failed is undone and must then succeed. Returns how many allocations failed, and how many
    commands by that."""
    node.put("/tmp/starve", f"""
        for n in {' '.join(map(str, NUMBERS))}; do
            STARVE="{ioctl} $n" LD_PRELOAD=/lvr/bin/starve.so sh -c '{attempt}' 2>/tmp/said
            status=$?
            case $(grep -x -e starved -e enough /tmp/said) in
            starved) echo starved ;;
            enough) [ $status = 0 ] || {{ echo "$n: not starved, and failed"; exit 1; }} ;;
            *) echo "$n: no such ioctl"; cat /tmp/said; exit 1 ;;
            esac
            if [ $status != 0 ]; then
                echo failed
                {again} || {{ echo "$n: fails again"; exit 1; }}
            fi
            {undo} || {{ echo "$n: cannot be undone"; exit 1; }}
            ! grep -qx enough /tmp/said || break
        done""")
    words = node.run("sh /tmp/starve", timeout=300).out.split()
    return words.count("starved"), words.count("failed")


def test_each_allocation_of_a_set_up(lab):
    """Tables of group and volume, loaded and resumed; messages."""
    pair = Pair(lab, volumes=1, volatile=False)
    pair.options["stage-mib"] = 4
    a = pair.a
    lab.start()
    pair.create()
    arm(a)
    group = "0 8 lvr-log /dev/disk/rig/log 5 group=g0 member=0 stage-mib=4 peer=1 connect=10.77.0.2:7794"
    volume = f"0 {24 << 11} lvr /dev/mapper/g0 0 /dev/disk/rig/v0"
    a.put("/tmp/group", group + "\n")
    a.put("/tmp/volume", volume + "\n")

    # the group's table
    a.run("dmsetup create g0 --notable")
    starved, failed = starve(a, LOAD, "dmsetup load g0 /tmp/group", "dmsetup clear g0",
                             "dmsetup load g0 /tmp/group")
    # in user mode there are fewer, and it is not always the same ones without which the kernel can do
    assert failed > (10 if KERNELS[lab.kernel].user_mode else 25), (starved, failed)
    a.run("dmsetup remove g0")
    # its start: resumed again, and also removed when it never was
    for again in ("dmsetup resume g0", ":"):
        starved, failed = starve(
            a, RESUME, "dmsetup create g0 /tmp/group", "dmsetup info g0 >/dev/null 2>&1 && dmsetup remove g0",
            f"{{ dmsetup info g0 >/dev/null 2>&1 || {{ dmsetup create g0 --notable && "
            f"dmsetup load g0 /tmp/group; }}; {again}; }}")
        assert failed > 5, (starved, failed)
    # a volume's
    a.run("dmsetup create g0 /tmp/group; dmsetup create g0-v0 --notable")
    starved, failed = starve(a, LOAD, "dmsetup load g0-v0 /tmp/volume", "dmsetup clear g0-v0",
                             "dmsetup load g0-v0 /tmp/volume")
    assert failed, (starved, failed)
    a.run("dmsetup remove g0-v0; dmsetup remove g0")
    # messages, to a group that serves
    pair.start(a)
    for message in ("promote", "reason", "disconnect", "connect", "set-key " + "5a" * 32):
        starve(a, MESSAGE, f"dmsetup message g0 0 {message} >/dev/null", ":",
               f"dmsetup message g0 0 {message} >/dev/null")
    pair.wait(a, state="active")
    pair.stop(a)
    a.run("rmmod dm-lvr", timeout=30)


def at_random(node, percent):
    """So many of a hundred allocations of the module fail from now on."""
    node.run(f"for kind in failslab fail_page_alloc; do echo {percent} "
             ">/sys/kernel/debug/$kind/probability; done")


def failures(node):
    """How many allocations have failed at random."""
    left = node.run("cd /sys/kernel/debug; cat failslab/times fail_page_alloc/times").out.split()
    return 2000000 - sum(map(int, left))


def test_links_come_back_without_memory(lab):
    """Connections, handshakes, starts and stops while one allocation in ten fails on both nodes:
    writes are not lost, and when there is memory again, all is as if there had always been."""
    pair = Pair(lab, volumes=1, volatile=False).up()
    a, b = pair.nodes
    for node in pair.nodes:
        arm(node)
        aim(node)
    load = Load(pair, a, per_second=SLOW)
    load.run_until(50)
    for node in pair.nodes:
        at_random(node, 10)
    for _ in range(5):
        for node in pair.nodes:
            node.run("dmsetup message g0 0 disconnect; dmsetup message g0 0 connect", check=False)
            load.run_until(20)
        b.run("lvrctl stop g0; dmsetup remove g0-v0 g0", check=False)
        b.run("lvrctl start g0 --timeout 20", check=False)
        load.run_until(20)
    for node in pair.nodes:
        at_random(node, 0)
        assert failures(node) > 20
    pair.start(b)
    for node in pair.nodes:
        node.run("lvrctl connect g0")
    pair.wait_synced()
    load.run_until(20)
    load.stop()
    load.check(a, load.done)
    pair.assert_equal()
