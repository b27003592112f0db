"""Memory: what frees it goes through the volumes, so they must not ask for more (I9)."""
import pytest
from pair import Load, Pair


@pytest.mark.long
def test_swap_on_a_volume(lab):
    """A file of tmpfs that is larger than the memory goes out to a replicated volume and comes back
    whole, under load, with a synchronous peer that is lost and comes back: the ack that ends a write
    must not need the memory that the write is to free."""
    pair = Pair(lab, volume_mib=160, volatile=False, mem_mib=256, mode="sync").up()
    load = Load(pair, pair.a, devices=pair.device("v1"))
    load.run_until(30)
    pair.a.run(f"mkswap {pair.device('v0')} >/dev/null && swapon {pair.device('v0')} && "
               "mount -t tmpfs -o size=400M tmpfs /mnt")
    job = pair.a.spawn("""dd if=/dev/urandom of=/noise bs=1M count=4 2>/dev/null
        pieces=$(awk '/MemAvailable/ { print int($2 / 4096) + 10 }' /proc/meminfo)
        for i in $(seq $pieces); do echo $i; cat /noise; done | tee /mnt/file | md5sum
        md5sum </mnt/file""")
    lab.wait(lambda: swapped(pair.a) > 1000, timeout=200, what="memory to go out")
    lab.cut()
    pair.wait(pair.a, link="waiting")
    lab.heal()
    job.wait(timeout=240)
    written, read = job.out.split()[::2]
    assert written == read
    load.run_until(30)
    pair.a.run(f"umount /mnt; swapoff {pair.device('v0')}", timeout=120)
    load.stop()
    load.check(pair.a, load.done)
    pair.wait(pair.a, link="streaming", timeout=120)
    pair.assert_equal()


def swapped(node):
    """Pages that went out since the start of the machine."""
    return int(node.run("awk '/^pswpout/ { print $2 }' /proc/vmstat").out)
