"""The link: cuts, lag, half-open peers, keys, mismatches, strangers."""
import pytest
from kit import assert_same_bytes, at_least, connections, fill, mem_free_kib, refused, settle, threads
from pair import KEY, SLOW, Load, Pair

OTHER_KEY = "ffeeddccbbaa99887766554433221100" * 2


def lost(pair, *nodes):
    for node in nodes or pair.nodes:
        pair.wait(node, link="waiting")


@pytest.mark.smoke
def test_cut_and_catch_up(lab):
    """A cut under load: the secondary stays a prefix, and takes what it missed."""
    pair = Pair(lab).up()
    load = Load(pair, pair.a, per_second=SLOW)
    load.run_until(100)
    lab.cut()
    fill(pair.a, pair.device("v0"), 12, seek_mib=8)     # more than a socket takes: the sender waits
    lost(pair)
    # the status may tell of the next attempt by now
    told = f"link streaming -> waiting (nothing heard for {pair.options['timeout-ms']} ms)"
    assert told in pair.a.run("dmesg").out
    load.run_until(200)
    status = pair.wait(pair.a, lag_records=at_least(1))
    assert status["lag_bytes"] > 0 and status["state"] == "active"
    pair.stop(pair.b)
    prefix = load.check(pair.b, 0, pair.raw())
    assert 0 < prefix < load.done + 20
    lab.heal()
    pair.start(pair.b)
    pair.wait(pair.a, link="streaming")
    load.run_until(50)
    load.stop()
    pair.assert_equal()
    assert pair.status(pair.a)["sync_bytes"] == 0
    pair.stop(pair.b)
    load.check(pair.b, load.done, pair.raw())
    assert_same_bytes(pair)


@pytest.mark.long
def test_far_behind(lab):
    """What the peer lacks has long left the memory: it comes back from the log, over a bad link."""
    pair = Pair(lab, stage_mib=4, volume_mib=24, log_mib=64, volatile=False, timeout_ms=6000).up()
    load = Load(pair, pair.a, per_second=SLOW)
    load.run_until(20)
    pair.a.run("lvrctl disconnect g0")
    pair.wait(pair.b, link="waiting")
    for _ in range(2):
        fill(pair.a, pair.device("v0"), 12, seek_mib=8)
    load.run_until(20)
    behind = pair.status(pair.a)
    assert behind["lag_bytes"] > 24 << 20 and behind["stage_used_bytes"] <= 4 << 20
    lab.slow(delay_ms=5, rate_mbit=200, loss_pct=1)
    pair.a.run("lvrctl connect g0")
    pair.wait(pair.b, link=lambda s: s in ("catching-up", "streaming"))
    load.run_until(20)
    load.stop()     # it writes faster than this link carries
    pair.wait(pair.a, link="streaming", timeout=180)
    lab.heal()
    pair.assert_equal()
    assert_same_bytes(pair)
    assert pair.status(pair.a)["sync_bytes"] == 0


def test_half_open(lab):
    """The peer vanishes without a word and the timers are far away: nothing local waits for it."""
    pair = Pair(lab, volatile=False, ping_ms=20000, timeout_ms=300000).up()
    load = Load(pair, pair.a, per_second=SLOW)
    load.run_until(50)
    lab.cut()
    load.run_until(100)
    assert pair.status(pair.a)["link"] == "streaming"
    # none of this ends because of a timer: the limits are far below 300 s
    pair.a.run("dmsetup suspend g0-v0 && dmsetup resume g0-v0", timeout=60)
    pair.a.run("dmsetup suspend --noflush g0 && dmsetup resume g0", timeout=60)
    load.run_until(20)
    load.stop()
    for node in pair.nodes:
        pair.stop(node, timeout=100)
        node.run("rmmod dm-lvr", timeout=60)
    lab.heal()
    for node in pair.nodes:
        pair.start(node)
    pair.wait(pair.a, state="active", link="streaming")
    pair.assert_equal()
    # the operator ends a half-open connection, too, and a new one is made
    lab.cut()
    fill(pair.a, pair.device("v0"), 1)
    pair.a.run("lvrctl disconnect g0", timeout=30)
    pair.wait(pair.a, link="standalone")
    lab.heal()
    pair.a.run("lvrctl connect g0")
    pair.wait(pair.a, link="streaming")
    pair.assert_equal()


def test_keys(lab):
    """Without the same key on both sides there is no link, and each side says why."""
    pair = Pair(lab, volatile=False)
    lab.start()
    pair.create()
    pair.start(pair.a)
    pair.a.run("lvrctl promote g0")

    def no_link(node, *words):
        lab.wait(lambda: any(word in str(pair.status(node)["link_reason"]) for word in words),
                 timeout=60, what=f"{node.name} to say one of {words}")
        assert pair.status(node)["link"] in ("waiting", "authenticating")
        assert pair.status(pair.b)["consistent"] == 0
        assert pair.status(node)["connects"] == 0

    # another key
    pair.configure(pair.b, key=OTHER_KEY)
    pair.b.run("lvrctl start g0")
    no_link(pair.b, "key", "authenticat", "proof")
    no_link(pair.a, "key", "authenticat", "proof")
    # the right one, without a restart
    pair.configure(pair.b)
    pair.b.run("lvrctl connect g0")
    pair.a.run("lvrctl connect g0")
    pair.wait_synced()

    # one side trusts anybody, the other does not
    pair.stop(pair.b)
    pair.start(pair.b, auth="none")
    pair.a.run("lvrctl connect g0")
    for node in pair.nodes:
        lab.wait(lambda node=node: "auth" in str(pair.status(node)["link_reason"]),
                 what=f"{node.name} to name the mismatch")
    assert pair.status(pair.a)["link"] != "streaming"
    # both do
    pair.stop(pair.a)
    pair.start(pair.a, auth="none")
    pair.wait(pair.a, link="streaming", state="active")
    pair.stop(pair.b)

    # no key file: refused before anything is done; a table without a key: no link
    pair.configure(pair.b)
    pair.b.run("rm /etc/lvr/g0.key")
    refused(pair.b, "lvrctl start g0", "key")
    assert "g0" not in pair.b.run("dmsetup ls").out
    log = pair.b.run("readlink -f /dev/disk/rig/log").out.strip()
    pair.b.run(f"echo '0 8 lvr-log {log} 4 group=g0 member=1 peer=0 listen=10.77.0.2:7794' | "
               "dmsetup create g0")
    pair.wait(pair.b, link="waiting", link_reason=lambda text: "key" in str(text))
    pair.b.run("dmsetup remove g0")


def test_mismatches(lab):
    """Volumes that differ in name, size, block or existence: all of it is named at once."""
    pair = Pair(lab, volumes=3, volatile=False, auth="none")
    pair.b.disks["v1"].mib = 16
    with open(pair.b.disks["v1"].image, "r+b") as file:
        file.truncate(16 << 20)
    lab.start()
    for node, side in ((pair.a, "--source"), (pair.b, "--target")):
        pair.configure(node)
        if node is pair.b:
            text = pair.conf().replace("[volume v0]", "[volume data]")
            text = text.replace("device = /dev/disk/rig/v2", "device = /dev/disk/rig/v2\nblock-size = 4096")
            node.put("/etc/lvr/g0.conf", text)
        node.run(f"lvrctl create g0 {side}")
        node.run("lvrctl start g0")
    pair.a.run("lvrctl promote g0")
    for node in pair.nodes:
        status = pair.wait(node, link="refused")
        reason = status["link_reason"].replace("_", " ")
        for words in ("volume-name", "volume-size", "volume-block"):
            assert words in reason.replace(" ", "-"), f"{words} is not in {reason}"
        shown = " ".join(node.run("lvrctl status g0").out.split())
        assert "refused" in shown
        text = node.run("dmesg").out
        here, there = ("v0", "data") if node is pair.a else ("data", "v0")
        assert f"volume 0 is {here} here and {there} at the peer" in text, text
        here, there = (49152, 32768) if node is pair.a else (32768, 49152)
        assert f"of {here} and {there} sectors" in text, text
    # both go on; the primary serves
    fill(pair.a, pair.device("v0"), 1)
    assert pair.status(pair.b)["state"] == "standby"


def test_verbs_and_restarts(lab):
    """disconnect, connect, a peer that stops and starts: under load, and nothing is lost."""
    pair = Pair(lab, volatile=False).up()
    load = Load(pair, pair.a, per_second=SLOW)
    for node in pair.nodes:
        node.run("lvrctl disconnect g0; lvrctl disconnect g0")
        pair.wait(node, link="standalone")
        load.run_until(30)
        assert pair.status(node)["link"] == "standalone"
        node.run("lvrctl connect g0; lvrctl connect g0")
        pair.wait(pair.a, link="streaming")
        load.run_until(30)
    for _ in range(2):
        pair.stop(pair.b)
        load.run_until(30)
        pair.start(pair.b)
        pair.wait(pair.a, link="streaming")
    # it stays disconnected over nothing but an order to connect
    pair.b.run("lvrctl disconnect g0")
    pair.a.run("lvrctl connect g0")
    pair.wait(pair.a, link="waiting")
    load.run_until(30)
    pair.b.run("lvrctl connect g0")
    pair.wait(pair.a, link="streaming")
    load.stop()
    pair.assert_equal()


def test_strangers(lab):
    """Floods and garbage at the listener: the link stays up, a new one can be made, memory is bounded."""
    pair = Pair(lab, volumes=1, volatile=False, timeout_ms=20000).up()
    load = Load(pair, pair.a, per_second=SLOW)
    load.run_until(50)
    connects = pair.status(pair.b)["connects"]
    pair.a.run("ip addr add 10.77.0.99/32 dev lo; echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter")
    pair.b.run("ip route add 10.77.0.99/32 via 10.77.0.1 dev eth0 || ip route add 10.77.0.99/32 dev eth0")
    before, threads_before = mem_free_kib(pair.b), threads(pair.b)
    for kind in ("garbage", "huge", "zeroes", "hello", "mac", "other", "late"):
        out = pair.a.run(f"strangers {kind} 10.77.0.2 7794 10.77.0.99 12 1 g0", timeout=60).out
        made, closed = int(out.split()[0]), int(out.split()[2])
        assert made > 0 and closed == 12, f"{kind}: {out}"     # some before they could say a word
    load.run_until(20)
    # many at once that say nothing, for as long as it takes
    floods = [pair.a.spawn(f"strangers {kind} 10.77.0.2 7794 10.77.0.99 300 0 g0")
              for kind in ("silent", "slow", "mac")]
    lab.wait(lambda: all(flood.out for flood in floods), timeout=120, what="rounds of the flood")
    load.run_until(50)
    status = pair.status(pair.a)
    assert status["link"] == "streaming" and pair.status(pair.b)["connects"] == connects
    # of 900 at the door: 16 being heard, a backlog of 17, the true peer; no thread for each
    assert 1 < connections(pair.b, 7794) <= 16 + 17 + 1
    assert threads(pair.b) <= threads_before + 16 + 8
    # the real peer, from its own address, gets in while they are at it
    pair.a.run("lvrctl disconnect g0")
    pair.wait(pair.a, link="standalone")
    pair.a.run("lvrctl connect g0")
    pair.wait(pair.a, link="streaming", timeout=120)
    assert before - mem_free_kib(pair.b) < 48 << 10
    for flood in floods:
        flood.kill()
        flood.wait(check=False)
    load.stop()
    settle(pair)
    assert_same_bytes(pair)
    assert KEY not in pair.b.run("dmesg").out
