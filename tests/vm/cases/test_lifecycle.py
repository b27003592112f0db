"""Stop, unload and load again in every state; suspend; two groups; commands all at once."""
import pytest
from kit import assert_same_bytes, at_least, fill, kernel_says, refused, settle, stop_incomplete, uptime_s
from pair import KEY, SLOW, Load, Pair, wipe
from soft import SoftPair


def down_and_gone(pair, node):
    """Stop and unload, in whatever state: neither waits for a peer."""
    pair.stop(node, timeout=60)
    assert "lvr" not in node.run("dmsetup table").out
    node.run("rmmod dm-lvr", timeout=30)


@pytest.mark.smoke
def test_stop_in_every_state(lab):
    """waiting, standby, unconfirmed, active idle and loaded, syncing, cut."""
    pair = Pair(lab, volatile=False)
    a, b = pair.nodes
    lab.start()
    pair.create()
    # standby, never connected; twice, and stopped when it is not there
    for _ in range(2):
        pair.start(a)
        pair.wait(a, state="standby", link="waiting")
        down_and_gone(pair, a)
    assert a.run("lvrctl stop g0", check=False).rc in (0, 3)
    # waiting for volumes: the group alone
    pair.configure(a)
    log = "/dev/disk/rig/log"
    a.run(f"modprobe dm-lvr; echo '0 8 lvr-log {log} 4 group=g0 member=0 peer=1 connect=10.77.0.2:7794' | "
          "dmsetup create g0")
    pair.wait(a, state="waiting")
    a.run("dmsetup remove g0; rmmod dm-lvr", timeout=30)
    # a table that is loaded and never resumed
    a.run(f"modprobe dm-lvr; dmsetup create g0 --notable; "
          f"echo '0 8 lvr-log {log} 2 group=g0 member=0' | dmsetup load g0; "
          "dmsetup clear g0; dmsetup remove g0; rmmod dm-lvr", timeout=30)
    # active, alone and idle; what was written is on the volumes
    pair.start(a)
    a.run("lvrctl promote g0")
    pair.wait(a, state="active")
    fill(a, pair.device("v0"), 4)
    down_and_gone(pair, a)
    a.run("dd if=/dev/disk/rig/v0 bs=1M count=4 iflag=direct 2>/dev/null | md5sum >/tmp/sum")
    # unconfirmed
    pair.start(a)
    pair.wait(a, state="unconfirmed")
    down_and_gone(pair, a)
    assert a.run("dd if=/dev/disk/rig/v0 bs=1M count=4 iflag=direct 2>/dev/null | md5sum").out == \
        a.run("cat /tmp/sum").out
    # unconfirmed, with I/O held: the volume is open, so it is refused, and goes on
    pair.start(a)
    held = a.spawn(f"dd if={pair.device('v0')} of=/dev/null bs=4k count=1 iflag=direct")
    pair.wait(a, deferred=at_least(1))
    assert a.run("lvrctl stop g0", check=False).rc != 0
    a.run("lvrctl promote g0 --force")
    held.wait(30)
    # syncing, the source and the target
    fill(a, pair.device("v1"), 16)
    for node in (a, b):
        lab.slow(rate_mbit=10)
        pair.start(b)
        pair.wait(a, link="syncing")
        pair.wait(b, link="syncing")
        down_and_gone(pair, node)
        if node is a:
            assert pair.status(b)["consistent"] == 0
            pair.start(a)
            pair.wait(a, link="syncing", state="active")
            assert pair.status(b)["consistent"] == 0
    lab.heal()
    pair.start(b)
    pair.wait_synced()
    settle(pair)
    assert_same_bytes(pair)
    # streaming, loaded up to the moment; stop is refused while the volume is open
    wipe(a, pair.devices())
    load = Load(pair, a, per_second=SLOW)
    load.run_until(30)
    assert a.run("lvrctl stop g0", check=False).rc != 0
    down_and_gone(pair, b)
    load.run_until(30)
    pair.start(b)
    pair.wait(a, link="streaming")
    load.run_until(30)
    load.stop()
    down_and_gone(pair, a)
    load.check(a, load.done, pair.raw())
    pair.wait(b, link="waiting", state="standby")
    pair.start(a)
    pair.wait(a, state="active", link="streaming")
    # the link cut, writes behind: the log keeps what the peer lacks over stop and unload
    lab.cut()
    fill(a, pair.device("v0"), 8)
    down_and_gone(pair, a)
    down_and_gone(pair, b)
    lab.heal()
    pair.start(b)
    pair.start(a)
    pair.wait(a, state="active", link="streaming")
    pair.assert_equal()
    assert_same_bytes(pair)
    assert pair.status(a)["lag_records"] == 0


def passes(pair, node, command, state, stop=down_and_gone):
    """Stops a node while a command that slow devices hold up is under way; the command may fail."""
    job = node.spawn(command)
    pair.lab.wait(lambda: f" state={state} " in node.run("dmsetup status g0", check=False).out, what=state)
    if command.startswith("lvrctl"):
        job.kill(9)     # else it is the one that has the group
    stop(pair, node)
    job.wait(timeout=60, check=False)


def active_alone(pair):
    """A primary whose peer was never there."""
    pair.lab.start()
    pair.create()
    pair.start(pair.a)
    pair.a.run("lvrctl promote g0")
    pair.wait(pair.a, state="active")
    return pair.a


def test_stop_after_a_record_of_no_volume(lab):
    """What only the log needs makes no volume incomplete: a generation that begins when they are gone."""
    pair = Pair(lab)
    a = active_alone(pair)
    fill(a, pair.device("v0"), 4)
    pair.stop(a)
    pair.start(a)
    pair.wait(a, state="unconfirmed")
    a.run("dmsetup remove g0-v0; dmsetup remove g0-v1")
    result = a.run("dmsetup message g0 0 promote force; "
                   "while dmsetup status g0 >/tmp/last; ! grep -q state=active /tmp/last; do :; done; lvrctl stop g0; "
                   "echo stop=$?; cat /tmp/last")
    assert "stop=0" in result.out, result.out + result.err
    last = dict(word.split("=", 1) for word in result.out.split() if "=" in word)
    assert int(last["checkpoint"]) < int(last["head"]), "the record is on the volumes: this shows nothing"
    assert int(last["data"]) <= int(last["checkpoint"])


def test_stop_after_recovery_says_what_the_volumes_lack(lab):
    """A log that was read back, and volumes that were never loaded."""
    pair = SoftPair(lab)
    a = active_alone(pair)
    pair.swap(a, "v0", "delay")     # no checkpoint gets past a flush of it
    uuid = a.run("dmsetup info -c --noheadings -o uuid g0").out.strip()     # by which lvrctl knows it
    load = Load(pair, a)
    load.run_until(60)
    a.power_cut(9)
    flushed = load.flushed
    a.start()
    pair.make_below(a)
    pair.configure(a)
    a.run("modprobe dm-lvr; echo '0 8 lvr-log /dev/mapper/below-log 4 group=g0 member=0 peer=1 "
          f"connect=10.77.0.2:7794' | dmsetup create g0 --uuid {uuid}")
    pair.wait(a, state="waiting")
    status = pair.status(a)
    assert status["checkpoint"] < status["data"] <= status["head"]
    stop_incomplete(pair, a)
    pair.start(a)
    a.run("lvrctl promote g0 --force")
    pair.wait(a, state="active")
    load.check(a, flushed)
    pair.stop(a)


def test_stop_in_passing_states(lab):
    """recovering, replaying, promoting and demoting, which slow devices make long enough."""
    pair = SoftPair(lab)
    a, b = pair.nodes
    lab.start()
    pair.create()
    pair.start(a)
    pair.start(b)
    pair.wait(a, state="standby")
    pair.swap(a, "log", "delay")
    passes(pair, a, "dmsetup message g0 0 promote", "promoting")
    pair.swap(a, "log", "linear")
    pair.start(a)
    pair.wait(a, state=lambda state: state in ("standby", "unconfirmed", "active"))
    a.run("lvrctl promote g0 --force")
    pair.wait_synced()
    load = Load(pair, a)
    load.run_until(60)
    a.power_cut(8)
    flushed = load.flushed
    a.start()
    pair.make_below(a)
    pair.configure(a)
    for name, target, state, stop in (("log", "slow", "recovering", stop_incomplete),
                                      ("v0", "delay", "replaying", down_and_gone)):
        pair.swap(a, name, target)
        passes(pair, a, "lvrctl start g0", state, stop)
        pair.swap(a, name, "linear")
    pair.start(a)
    pair.wait(a, state="active", link="streaming")
    load.check(a, flushed)
    pair.swap(a, "log", "delay")
    fill(a, pair.device("v1"), 1, seek_mib=8)
    passes(pair, a, "dmsetup message g0 0 demote", "demoting")
    pair.swap(a, "log", "linear")
    pair.start(a)
    pair.wait(a, link=lambda link: link in ("idle", "streaming"))
    pair.wait(b, state="standby")
    if pair.status(a)["role"] == "secondary":
        b.run("lvrctl promote g0")
        pair.wait(b, state="active", link="streaming")
    load.check(a if pair.status(a)["role"] == "primary" else b, flushed)
    pair.assert_equal()


def test_stop_with_a_link_in_every_state(lab):
    """standalone, idle, catching up and refused, on both sides."""
    pair = Pair(lab, volatile=False, start_primary="at-once").up()
    a, b = pair.nodes
    for node in pair.nodes:
        node.run("lvrctl disconnect g0")
        pair.wait(node, link="standalone")
        down_and_gone(pair, node)
        pair.start(node)
        pair.wait(a, state="active", link="streaming")
    for node in pair.nodes:
        lab.cut()
        pair.wait(a, link="waiting")
        fill(a, pair.device("v0"), 8)
        lab.slow(rate_mbit=8)
        pair.wait(a, link="catching-up")
        down_and_gone(pair, node)
        lab.heal()
        pair.start(node)
        pair.wait(a, state="active", link="streaming")
    a.run("lvrctl demote g0")
    for node in pair.nodes:
        pair.wait(node, link="idle")
        down_and_gone(pair, node)
        pair.start(node)
    b.run("lvrctl promote g0")
    pair.wait(b, state="active", link="streaming")
    pair.assert_equal()
    lab.cut()
    pair.failover(a)
    lab.heal()
    for node in pair.nodes:
        pair.wait(node, link="refused")
        down_and_gone(pair, node)
        pair.start(node)
        pair.wait(node, state="active")
    a.run("lvrctl demote g0", check=False)
    pair.wait(a, link="refused")
    a.run("lvrctl connect g0 --discard")
    pair.wait(a, link="streaming", consistent=1)
    pair.assert_equal()


def test_table_goes_under_live_volumes(lab):
    """By force: what is under way ends with an error, nothing hangs, and the log has what was promised."""
    pair = Pair(lab, start_primary="at-once", volatile=False).up()
    load = Load(pair, pair.a)
    load.run_until(60)
    pair.a.run("dmsetup remove --force g0", check=False, timeout=60)     # busy: becomes an error table
    load.job.wait(timeout=60, check=False)
    promised = load.done
    for name in ("g0-v0", "g0-v1", "g0"):
        pair.a.run(f"dmsetup remove {name}", timeout=60)
    pair.a.run("rmmod dm_lvr", timeout=60)
    pair.start(pair.a)
    pair.wait(pair.a, state="active", link="streaming")
    load.check(pair.a, promised)
    pair.assert_equal()


def write(pair, volume, block):
    """One block written in the background, and in the log."""
    head = pair.status(pair.a)["head"]
    job = pair.a.spawn(f"dd if=/dev/zero of={pair.device(volume)} bs=4k seek={block} count=1 oflag=direct")
    pair.wait(pair.a, head=at_least(head + 1))
    return job


def test_a_suspend_waits_for_a_peer_that_acknowledges(lab):
    """Where writes wait for the peer, those of a volume that is being suspended fail if it is away. It is not, as long as
    it acknowledges: whatever a freeze takes, and however long another volume has been suspended."""
    pair = Pair(lab, mode="sync", on_disconnect="block", volatile=False, volume_mib=48, timeout_ms=1500 * lab.slowness)
    a = pair.up().a
    pair.wait(a, in_sync=1)
    lab.slow(delay_ms=300)
    # what is suspended longer than timeout-ms is the other volume
    a.run(f"dmsetup suspend g0-v1 && sleep {3 * lab.slowness}")
    writer = a.spawn(f"dd if=/dev/zero of={pair.device('v0')} bs=4k count=12 oflag=direct")
    pair.wait(a, head=at_least(pair.status(a)["head"] + 3))
    a.run("dmsetup suspend g0-v0 && dmsetup resume g0-v0 && dmsetup resume g0-v1", timeout=60)
    writer.wait(60)
    lab.slow(rate_mbit=20 / lab.slowness)
    a.run(f"mkfs.ext4 -q -F {pair.device('v0')} && mount {pair.device('v0')} /mnt", timeout=120)
    pair.wait(a, link="streaming", in_sync=1)
    sent = pair.status(a)["sent"]
    began = uptime_s(a)
    a.run("dd if=/dev/urandom of=/mnt/f bs=1M count=16 2>/dev/null && dmsetup suspend g0-v0", timeout=120)
    assert uptime_s(a) - began > 1.5 * lab.slowness and pair.status(a)["sent"] > sent
    a.run("dmsetup resume g0-v0 && touch /mnt/g && sync -f /mnt && umount /mnt", timeout=120)
    assert "being suspended" not in a.run("dmesg").out
    lab.heal()
    pair.assert_equal()


def test_a_suspended_volume(lab):
    """Nobody knows who has it open, so there is no demotion; and it is not attached to what is another volume's."""
    pair = Pair(lab, volatile=False).up()
    a = pair.a
    before = a.run("dmsetup table g0-v1").out.strip()
    a.run("dmsetup suspend g0-v1")
    refused(a, "dmsetup message g0 0 demote", "busy")
    assert "volume v1 is suspended" in a.run("dmsetup message g0 0 reason").out
    origin = a.run("lsblk -ndo MAJ:MIN /dev/disk/rig/v0").out.strip()
    for other in (origin, "/dev/mapper/g0-v0"):
        words = before.split()
        table = " ".join([*words[:-1], other])
        kernel_says(a, f"echo '{table}' | dmsetup load g0-v1 && dmsetup resume g0-v1", "its origin is that of volume v0")
    a.run(f"echo '{before}' | dmsetup load g0-v1 && dmsetup resume g0-v1")
    for volume in pair.volumes:
        fill(a, pair.device(volume), 1)
    pair.assert_equal()
    a.run("lvrctl demote g0")


def test_a_log_that_hangs_holds_up_no_other_group(lab):
    """A table that reads a superblock waits for its own device alone."""
    pair = Pair(lab, volumes=3, volatile=False)
    pair.volumes = ["v0", "v1"]
    a = pair.up().a
    a.run("dmsetup create hung --table '0 32768 delay /dev/disk/rig/v2 0 3600000'")
    job = a.spawn("echo '0 8 lvr-log /dev/mapper/hung 2 group=other member=0' | dmsetup create other")
    lab.wait(lambda: int(a.run("dmsetup status hung").out.split()[3]), what="a read of the superblock")
    a.run("""for name in g0 g0-v0; do
            dmsetup table $name | dmsetup load $name && dmsetup suspend $name && dmsetup resume $name || exit 1
        done""", timeout=30)
    pair.stop(a)
    assert job.poll() is None
    a.run("dmsetup suspend --noflush --nolockfs hung && dmsetup load hung --table '0 32768 linear /dev/disk/rig/v2 0' "
          "&& dmsetup resume hung")
    assert job.wait(60, check=False).rc != 0      # there is no superblock


def test_a_longer_timeout_while_a_suspend_waits(lab):
    """It takes effect, and the suspend ends by it."""
    pair = Pair(lab, mode="sync", on_disconnect="block", volatile=False, timeout_ms=4000 * lab.slowness).up()
    a = pair.a
    pair.wait(a, in_sync=1)
    pair.b.run("lvrctl disconnect g0")      # heard until now
    pair.wait(a, link="waiting")
    lost = write(pair, "v0", 0)
    suspend = a.spawn("dmsetup suspend g0-v0")
    longer = f"dmsetup table g0 | sed -E 's/(timeout-ms[ =])[0-9]+/\\1{8000 * lab.slowness}/'"
    a.run(f"{longer} | dmsetup load g0 && dmsetup suspend --noflush --nolockfs g0 && dmsetup resume g0")
    assert f"timeout-ms={8000 * lab.slowness}" in a.run("dmsetup table g0").out.replace("timeout-ms ", "timeout-ms=")
    suspend.wait(60)
    assert lost.wait(60, check=False).rc != 0


def test_the_gate_opens_when_alone_is_durable(lab):
    """Another on-disconnect lets writers go on without the peer only when the superblock says so: a power cut right then
    must not leave a peer that claims to hold everything."""
    pair = SoftPair(lab, mode="sync", on_disconnect="block", volatile=False).up()
    a = pair.a
    pair.wait(a, in_sync=1)
    lab.cut()
    pair.wait(a, link="waiting")
    held = write(pair, "v0", 3000)
    head = pair.status(a)["head"]
    pair.wait(a, durable=head, checkpoint=head)     # no checkpoint is due
    pair.swap(a, "log", "held")
    pair.configure(a, on_disconnect="async")
    start = a.spawn("lvrctl start g0")
    lab.wait(lambda: sum(pair.delayed(a, "log")), what="the superblock")
    lab.heal()
    pair.wait(a, link=lambda link: link != "waiting")
    assert held.poll() is None and start.poll() is None and pair.status(a)["link"] != "streaming"
    pair.swap(a, "log", "linear")
    start.wait(60)
    held.wait(60)
    pair.wait(a, link="streaming")
    pair.assert_equal()


def test_settings_of_a_running_group(lab):
    """lvrctl start applies them: so writers that wait for a peer that is gone go on, with what they have written."""
    pair = Pair(lab, mode="sync", on_disconnect="block", volatile=False).up()
    a, b = pair.nodes
    pair.wait(a, in_sync=1)
    b.kill()
    pair.wait(a, link="waiting")
    held = write(pair, "v0", 3000)
    assert held.poll() is None
    pair.configure(a, on_disconnect="async")
    assert "has the settings of" in a.run("lvrctl start g0").err
    held.wait(60)
    assert pair.status(a)["alone"] == 1

    # what cannot be changed is told, and changes nothing: no table is left behind
    table = a.run("dmsetup table g0").out
    pair.configure(a, on_disconnect="block", stage_mib=16)
    refused(a, "lvrctl start g0", "stage-mib", "goes on with its settings")
    assert a.run("dmsetup table g0").out == table
    assert "INACTIVE" not in a.run("dmsetup info g0").out

    load = Load(pair, a, per_second=SLOW)
    pair.configure(a)
    a.run("lvrctl start g0")
    pair.reboot(b)
    pair.wait(a, link="streaming", in_sync=1, alone=0)
    load.run_until(load.done + 20)
    load.stop()
    pair.assert_equal()
    load.check(a, load.done)


def test_suspend(lab):
    """Suspend and resume, with and without flush, under load: streaming, cut, and in sync mode
    with on-disconnect=block, where writes wait for a peer that is away (I7)."""
    pair = Pair(lab, volumes=3, volatile=False, mode="sync", on_disconnect="block").up()
    pair.wait(pair.a, in_sync=1)
    loaded = f"{pair.device('v0')} {pair.device('v1')}"
    load = Load(pair, pair.a, devices=loaded)
    load.run_until(30)

    def flip(*all_flags):
        return "; ".join(f"dmsetup suspend {flags} {name} && dmsetup resume {name} || exit 1"
                         for flags in all_flags for name in ("g0-v0", "g0-v1", "g0"))
    keep = flip("--noflush", "--nolockfs --noflush")
    flips = f"{flip('')}; {keep}"
    pair.a.run(flips, timeout=120)
    load.run_until(30)
    pair.b.run(flips, timeout=120)
    load.run_until(30)
    lab.cut()
    pair.wait(pair.a, link="waiting")
    # writes wait; suspend does not, and nothing is acknowledged that the peer lacks
    held = write(pair, "v0", 3000)
    done = load.done
    for _ in range(2):
        pair.a.run(keep, timeout=120)
    pair.b.run(flips, timeout=60)
    assert load.done == done and held.poll() is None
    # a suspended volume: a table reload, and orders to the group, do not wait either
    pair.a.run("dmsetup suspend --noflush g0-v0; dmsetup table g0-v0 | dmsetup load g0-v0; "
               "lvrctl disconnect g0; lvrctl connect g0; dmsetup status g0; dmsetup resume g0-v0", timeout=60)
    # with a flush, what would wait fails: of that volume only, and of what comes meanwhile
    lost = write(pair, "v2", 0)
    pair.a.run("dmsetup suspend g0-v2", timeout=60)
    assert lost.wait(60, check=False).rc != 0
    pair.a.run("dmsetup resume g0-v2")
    assert load.done == done and held.poll() is None
    late = write(pair, "v2", 1)
    lab.heal()
    pair.wait(pair.a, link="streaming", in_sync=1)
    for job in (held, late):
        job.wait(60)
    load.run_until(30)
    load.stop()
    load.check(pair.a, load.done, loaded)
    pair.assert_equal()
    # suspended when the peer goes: nothing is lost by resuming
    load = Load(pair, pair.a, seed=2, devices=loaded)
    load.run_until(20)
    pair.a.run("dmsetup suspend g0-v0; dmsetup suspend g0-v1", timeout=60)
    pair.b.kill()
    pair.a.run("dmsetup resume g0-v0; dmsetup resume g0-v1", timeout=60)
    pair.b.start()
    pair.start(pair.b)
    pair.wait(pair.a, link="streaming", in_sync=1)
    load.run_until(20)
    load.stop()
    pair.assert_equal()


class SecondGroup(Pair):
    """Another group on the machines of a pair: its log is the pair's v0, its volume v1."""

    def __init__(self, pair):
        self.__dict__.update(pair.__dict__)
        self.group = "g0x"      # the first one's name is a prefix of it
        self.volumes = ["v1"]

    def conf(self, **changes):
        return super().conf(**changes).replace("/dev/disk/rig/log", "/dev/disk/rig/v0")


def test_two_groups(lab):
    """Two groups on the same machines, one listener, opposite directions, keys of their own; what
    happens to one leaves the other alone."""
    first = Pair(lab, volumes=3, volume_mib=24, volatile=False)
    second = SecondGroup(first)
    first.volumes = ["v2"]
    lab.start()
    for pair, key in ((first, KEY), (second, KEY[::-1])):
        for node, side in ((pair.a, "--source"), (pair.b, "--target")):
            pair.configure(node, key=key)
            node.run(f"lvrctl create {pair.group} {side}")
        for node in pair.nodes:
            node.run(f"lvrctl start {pair.group}")
        pair.a.run(f"lvrctl promote {pair.group}")
    for pair in (first, second):
        pair.wait_synced()
    assert first.b.run("ss -Hltn | grep -c :7794").out.strip() == "1"
    loads = [Load(first, first.a, seed=1, per_second=SLOW), Load(second, second.a, seed=2, per_second=SLOW)]
    for load in loads:
        load.run_until(50)
    # one link down, one node of one group down: the other group streams on
    first.a.run("lvrctl disconnect g0")
    first.wait(first.a, link="standalone")
    loads[1].run_until(30)
    assert second.status(second.a)["link"] == "streaming"
    first.stop(first.b)
    loads[1].run_until(30)
    assert second.status(second.a)["link"] == "streaming"
    first.b.run("lvrctl start g0")
    first.a.run("lvrctl connect g0")
    first.wait(first.a, link="streaming")
    # the second one's primary changes sides
    loads[1].stop()
    second.a.run("lvrctl demote g0x")
    second.b.run("lvrctl promote g0x")
    loads[1].check(second.b, loads[1].done)
    loads[0].run_until(30)
    loads[0].stop()
    first.assert_equal()
    second.wait(second.b, link="streaming", direction="source")
    second.assert_equal()
    assert_same_bytes(first)
    assert_same_bytes(second)
    assert first.status(first.a)["errors"] == second.status(second.a)["errors"] == 0
    for pair in (first, second):
        for node in pair.nodes:
            pair.stop(node)
    for node in first.nodes:
        node.run("rmmod dm-lvr")


@pytest.mark.long
def test_commands_at_once(lab):
    """The same and opposite commands in loops, from several shells on both nodes, under load."""
    pair = Pair(lab, volatile=False).up()
    load = Load(pair, pair.a)
    load.run_until(20)
    loops = [
        "lvrctl disconnect g0; lvrctl connect g0",
        "lvrctl connect g0; lvrctl status g0 --json >/dev/null",
        "lvrctl promote g0; lvrctl demote g0; lvrctl failover g0",
        "lvrctl start g0; lvrctl stop g0",
        "dmsetup status g0; dmsetup table g0 | dmsetup load g0 && dmsetup suspend g0 && dmsetup resume g0",
    ]
    jobs = [node.spawn(f"for i in 1 2 3 4 5 6; do {loop}; done >/tmp/loop{n} 2>&1; dmsetup resume g0")
            for n, loop in enumerate(loops) for node in pair.nodes]
    for job in jobs:
        job.wait(timeout=240, check=False)
    # whatever happened, it is of one piece: bring both up and let them agree
    for node in pair.nodes:
        node.run("dmsetup resume g0 2>/dev/null; lvrctl start g0 && lvrctl connect g0")
    pair.wait(pair.a, state="active", link="streaming")
    if load.job.poll() is None:
        load.run_until(20)
        load.stop()
    load.check(pair.a, load.done)
    pair.assert_equal()
    for node in pair.nodes:
        down_and_gone(pair, node)
    assert_same_bytes(pair)
