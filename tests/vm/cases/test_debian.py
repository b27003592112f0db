"""LVR on a real system: udev, systemd, LVM and fstab are those of Debian."""
import json

import pytest
from debian import DebianPair
from kit import at_least

UUID = "5a1b1b1e-0000-4000-8000-00000000000a"
BY_UUID = f"/dev/disk/by-uuid/{UUID}"
LINKS_SEEN = "/run/by-uuid-seen"
# each device to which udev ever gave a link by UUID, and each that it took for a part of LVM
WATCH = f"""SUBSYSTEM=="block", SYMLINK=="disk/by-uuid/*", RUN+="/bin/sh -c 'echo uuid:$name:$env{{DM_NAME}} >>{LINKS_SEEN}'"
SUBSYSTEM=="block", ENV{{ID_FS_TYPE}}=="LVM2_member", RUN+="/bin/sh -c 'echo pv:$name:$env{{DM_NAME}} >>{LINKS_SEEN}'"
"""


def install(pair, file_system=True, nodes=None):
    """The machines run, with LVs and LVR; alpha's volume carries a file system already."""
    nodes = nodes or pair.nodes
    for node in nodes:
        node.launch()
    for node in nodes:
        node.settle()
        pair.install(node)
        pair.make_lvs(node)
        node.put("/etc/udev/rules.d/99-watch.rules", WATCH)
        node.run("udevadm control --reload")
    if file_system:
        pair.a.run(f"mkfs.ext4 -q -U {UUID} {pair.lv('data')}; udevadm settle")
        # the trap is there without LVR
        assert link_target(pair.a) == dm_of(pair.a, pair.lv("data"))


def up(pair):
    """The group runs, alpha is primary, beta has everything."""
    pair.create()
    for node in pair.nodes:
        pair.start(node)
    pair.a.run(f"lvrctl promote {pair.group}", timeout=120)
    pair.wait_synced()


def dm_of(node, path):
    return node.run(f"readlink -f {path}").out.strip()


def link_target(node):
    """What the file system's UUID leads to, '' if nothing."""
    return node.run(f"udevadm settle; if [ -L {BY_UUID} ]; then readlink -f {BY_UUID}; fi").out.strip()


def seen(node, kind):
    """Names of the dm devices that were seen so in the present run of the node."""
    lines = node.run(f"udevadm settle; cat {LINKS_SEEN} 2>/dev/null || :").out.split()
    return {name for what, _, name in (line.split(":") for line in lines) if what == kind}


def forget_seen(node):
    node.run(f"udevadm settle; rm -f {LINKS_SEEN}")


def raw_names(pair):
    """As device-mapper calls the LVs below."""
    return {f"{pair.vg}-{name.replace('-', '--')}" for name in pair.sizes}


def assert_raw_hidden(pair, node):
    """Nothing that looks for contents sees what the group lies on."""
    assert not seen(node, "uuid") & raw_names(pair)
    assert not seen(node, "pv") & raw_names(pair)
    for name in (*pair.volumes, "log"):
        rows = node.run(f"lsblk -dnro UUID,FSTYPE,MOUNTPOINTS {pair.lv(name)}").out.strip()
        assert rows == "", f"{name} shows {rows}"
        info = node.run(f"udevadm info -q property {pair.lv(name)}").out
        assert "ID_FS_UUID=" not in info and "SYSTEMD_READY=0" in info, info
        assert "disk/by-uuid" not in info, info


def assert_serves(pair, node):
    """The UUID leads to the replicated volume, and nowhere else."""
    device = dm_of(node, pair.device("data"))
    assert link_target(node) == device
    assert node.run(f"findfs UUID={UUID}").out.strip() in (pair.device("data"), device)
    assert_raw_hidden(pair, node)


def assert_hidden(pair, node):
    """Neither volume nor LV of a secondary shows what is on it."""
    assert link_target(node) == ""
    assert f"{pair.group}-data" not in seen(node, "uuid")
    assert_raw_hidden(pair, node)
    listed = node.run(f"lsblk -nro UUID {pair.device('data')}", check=False).out.strip()
    assert listed == "", listed
    assert node.run(f"mount UUID={UUID} /mnt", check=False).rc != 0


def trigger(node):
    """Udev looks at all block devices again, as after an upgrade of it."""
    for action in ("change", "add"):
        node.run(f"udevadm trigger --settle --subsystem-match=block --action={action}", timeout=120)


@pytest.mark.seconds(1800)
@pytest.mark.parametrize("start_primary", [pytest.param("at-once", marks=pytest.mark.long), "confirm"])
def test_reboot_with_fstab_mount_by_uuid(lab, start_primary):
    pair = DebianPair(lab, {"data": 64}, start_primary=start_primary)
    install(pair)
    assert_mounted_is_refused(pair)
    pair.create()
    # marked and hidden from create on
    assert link_target(pair.a) == ""
    for node in pair.nodes:
        forget_seen(node)
        pair.start(node)
    pair.a.run(f"lvrctl promote {pair.group}", timeout=120)
    pair.wait_synced()
    assert_serves(pair, pair.a)
    pair.a.run(f"""set -e
        echo UUID={UUID} /srv ext4 defaults 0 2 >>/etc/fstab
        systemctl daemon-reload
        mount /srv
        echo before the reboot >/srv/file
        sync""")
    head = pair.status(pair.a)["head"]
    pair.wait(pair.b, destaged=at_least(head))
    for node in pair.nodes:
        trigger(node)
    assert_serves(pair, pair.a)
    assert_hidden(pair, pair.b)

    if start_primary == "at-once":
        pair.b.kill()               # it must do without the peer
        pair.a.power_cut(1)
    else:
        pair.a.shutdown(timeout=300)
    pair.boot(pair.a)
    assert_mounted_again(pair)
    trigger(pair.a)
    assert_mounted_again(pair)
    if start_primary == "confirm":
        assert_hidden(pair, pair.b)
        pair.wait(pair.a, link="streaming")
        pair.wait(pair.b, link="streaming", consistent=1)
        return
    # the other one boots as a secondary, with the same fstab in the end
    pair.boot(pair.b)
    pair.wait(pair.b, role="secondary", link="streaming", consistent=1)
    assert_hidden(pair, pair.b)
    trigger(pair.b)
    assert_hidden(pair, pair.b)


def assert_mounted_is_refused(pair):
    """create of what fstab has mounted: systemd, which unmounts what udev hides, sees nothing of it."""
    pair.configure(pair.a)
    pair.a.run(f"""set -e
        echo UUID={UUID} /old ext4 defaults 0 2 >>/etc/fstab
        mkdir /old
        systemctl daemon-reload
        mount /old""")
    entered = pair.a.run("systemctl show -P ActiveEnterTimestampMonotonic old.mount").out
    result = pair.a.run(f"lvrctl create {pair.group} --source", check=False)
    assert result.rc == 5 and "mounted on /old" in result.err, result.err
    assert pair.a.run("udevadm settle; findmnt -nro FSTYPE /old").out == "ext4\n"
    assert pair.a.run("systemctl show -P ActiveEnterTimestampMonotonic old.mount").out == entered
    pair.a.run("umount /old && sed -i '/ .old /d' /etc/fstab && systemctl daemon-reload")
    result = pair.a.run("setpriv --reuid 65534 --clear-groups lvrctl status", check=False)
    assert result.rc == 6 and "only root may" in result.err, result.err


def assert_mounted_again(pair):
    """After a boot: by fstab alone, on the replicated volume."""
    pair.wait(pair.a, role="primary", state="active")
    pair.lab.wait(lambda: pair.a.run("findmnt /srv", check=False).rc == 0, timeout=300,
                  what="the mount of fstab")
    source = pair.a.run("findmnt -nro SOURCE /srv").out.strip()
    assert dm_of(pair.a, source) == dm_of(pair.a, pair.device("data"))
    assert pair.a.run("cat /srv/file").out == "before the reboot\n"
    assert pair.a.run(f"systemctl is-active lvr@{pair.group}").out == "active\n"
    assert seen(pair.a, "uuid") >= {f"{pair.group}-data"}, "the watch of links does not watch"
    assert_serves(pair, pair.a)


@pytest.mark.long
@pytest.mark.seconds(1200)
def test_unconfirmed_boot_holds_the_mount(lab):
    """Without its peer a confirming primary comes up, but fstab gets nothing; the peer's word opens it."""
    pair = DebianPair(lab, {"data": 64}, start_primary="confirm")
    install(pair)
    up(pair)
    pair.a.run(f"""set -e
        echo UUID={UUID} /srv ext4 defaults,nofail 0 2 >>/etc/fstab
        systemctl daemon-reload && mount /srv && echo before the reboot >/srv/file && sync""")
    pair.lab.cut()
    pair.a.power_cut(2)
    pair.boot(pair.a)
    pair.wait(pair.a, state="unconfirmed")
    assert link_target(pair.a) == ""
    assert pair.a.run("findmnt /srv", check=False).rc != 0
    assert_raw_hidden(pair, pair.a)
    pair.lab.heal()
    pair.wait(pair.a, role="primary", state="active")
    pair.lab.wait(lambda: link_target(pair.a) == dm_of(pair.a, pair.device("data")), timeout=60,
                  what="the link by UUID")
    pair.a.run("systemctl start srv.mount", timeout=180)
    assert_mounted_again(pair)


def lvs(node, pair):
    rows = json.loads(node.run(f"lvs --reportformat json -o lv_name,lv_tags,lv_skip_activation,"
                               f"lv_autoactivation,lv_active {pair.vg}", timeout=120).out)
    return {row["lv_name"]: row for row in rows["report"][0]["lv"]}


@pytest.mark.seconds(1200)
def test_lvm_below_is_left_alone_at_boot(lab):
    """create marks the LVs; nothing but lvrctl activates them; destroy gives them back as they were."""
    pair = DebianPair(lab, {"data": 32, "wal": 32})
    install(pair, file_system=False, nodes=[pair.a])
    pair.a.run(f"lvchange --setautoactivation n {pair.vg}/wal; lvchange -ky {pair.vg}/{pair.log}", timeout=120)
    before = lvs(pair.a, pair)
    assert all(lv["lv_active"] == "active" and not lv["lv_tags"] for lv in before.values())
    pair.a.run(f"mkfs.ext4 -q -U {UUID} {pair.lv('data')}; udevadm settle")
    pair.a.run(f"lvrctl create {pair.group} --source", timeout=120)
    tags = {pair.log: {"lvr.role=log", "lvr.before=skip"}, "data": {"lvr.role=data"},
            "wal": {"lvr.role=data", "lvr.before=noauto"}}

    def assert_marked():
        for name, lv in lvs(pair.a, pair).items():
            assert set(lv["lv_tags"].split(",")) == {f"lvr.group={pair.group}"} | tags[name]
            assert lv["lv_skip_activation"] == "skip activation", lv
            assert lv["lv_autoactivation"] == "", lv

    assert_marked()
    pair.a.shutdown(timeout=300)
    pair.a.start()          # the unit is not enabled
    assert_marked()
    pair.a.run(f"vgchange -ay {pair.vg}; vgchange -aay {pair.vg}; udevadm settle", timeout=120)
    assert not any(lv["lv_active"] for lv in lvs(pair.a, pair).values())
    assert link_target(pair.a) == "" and not seen(pair.a, "uuid") & raw_names(pair)
    pair.a.run(f"lvrctl start {pair.group}", timeout=120)
    pair.a.run(f"lvrctl promote {pair.group}", timeout=120)
    assert all(lv["lv_active"] for lv in lvs(pair.a, pair).values())
    assert_serves(pair, pair.a)
    # in use: LVM cannot pull them away
    assert pair.a.run(f"lvchange -an {pair.vg}/data", check=False, timeout=120).rc != 0
    pair.a.run(f"lvrctl stop {pair.group}", timeout=120)
    assert not any(lv["lv_active"] for lv in lvs(pair.a, pair).values())
    pair.a.run(f"lvrctl destroy {pair.group} --force", timeout=120)
    assert lvs(pair.a, pair) == before


@pytest.mark.seconds(1500)
def test_lvm_above_moves_with_the_role(lab):
    """A volume group on a volume: seen where the primary is only, and there with its data."""
    pair = DebianPair(lab, {"data": 96})
    install(pair, file_system=False)
    up(pair)
    device = pair.device("data")
    pair.a.run(f"""set -e
        pvcreate -q {device} && vgcreate -q top {device} && lvcreate -q -y -n lv -L 48M top
        mkfs.ext4 -q -U {UUID} /dev/top/lv && mount UUID={UUID} /mnt
        echo above >/mnt/file && umount /mnt""", timeout=180)
    head = pair.status(pair.a)["head"]
    pair.wait(pair.b, destaged=at_least(head))
    trigger(pair.b)
    assert pvs(pair.a) == {device, disk(pair.a)}
    assert pvs(pair.b) == {disk(pair.b)}
    assert_raw_hidden(pair, pair.a)
    assert_raw_hidden(pair, pair.b)

    # planned
    assert pair.a.run(f"lvrctl demote {pair.group}", check=False, timeout=120).rc == 5, "the VG is open"
    pair.a.run("vgchange -an top", timeout=120)
    pair.a.run(f"lvrctl demote {pair.group}", timeout=120)
    pair.wait(pair.a, role="secondary", state="standby")
    assert pvs(pair.a) == {disk(pair.a)}
    pair.b.run(f"lvrctl promote {pair.group}", timeout=120)
    assert_top(pair, pair.b, "above\n")
    pair.b.run("mount /dev/top/lv /mnt && echo beta >>/mnt/file && sync && umount /mnt")
    pair.wait(pair.b, link="streaming", in_sync=lambda _: True)
    head = pair.status(pair.b)["head"]
    pair.wait(pair.a, destaged=at_least(head))

    # by force
    pair.b.power_cut(3)
    pair.wait(pair.a, link=lambda link: link != "streaming")
    pair.a.run(f"lvrctl failover {pair.group} --force", check=False, timeout=120)
    pair.wait(pair.a, role="primary", state="active")
    assert_top(pair, pair.a, "above\nbeta\n")


def disk(node):
    return dm_of(node, "/dev/disk/rig/disk")


def pvs(node):
    node.run("udevadm settle")
    return set(node.run("pvs --noheadings -o pv_name", timeout=120).out.split())


def assert_top(pair, node, content):
    """The VG above is there, and its LV holds the content."""
    assert pvs(node) == {pair.device("data"), disk(node)}
    node.run("vgchange -ay top && udevadm settle", timeout=120)
    node.run("e2fsck -fn /dev/top/lv", timeout=120)
    assert node.run("mount /dev/top/lv /mnt && cat /mnt/file; umount /mnt").out == content


def check_log(pair, node):
    """What `lvrctl log check` says of the log of a stopped group."""
    node.run(f"lvchange -ay -K {pair.vg}/{pair.log}", timeout=120)
    found = json.loads(node.run(f"lvrctl log check {pair.lv('log')} --json").out)
    dump = json.loads(node.run(f"lvrctl log dump {pair.lv('log')} --json", timeout=120).out)
    node.run(f"lvchange -an {pair.vg}/{pair.log}", timeout=120)
    return found["end"] | {"super": dump["super"]}


@pytest.mark.long
@pytest.mark.seconds(1500)
def test_stop_and_shutdown_leave_a_clean_log(lab):
    pair = DebianPair(lab, {"data": 64})
    install(pair)
    up(pair)
    a, group = pair.a, pair.group
    a.run(f"mount {pair.device('data')} /mnt && echo one >/mnt/file && sync")
    refused = a.run(f"lvrctl stop {group}", check=False)
    assert refused.rc == 5, refused.err
    assert a.run("cat /mnt/file").out == "one\n"
    assert pair.status(a)["state"] == "active"
    a.run("umount /mnt")

    a.run(f"lvrctl stop {group}", timeout=120)
    assert_clean(check_log(pair, a))
    assert not a.run("ls /dev/mapper | grep ^shop || :").out
    a.run(f"lvrctl start {group}", timeout=120)
    pair.wait(a, role="primary", state="active", link="streaming")     # confirmed by beta
    a.run(f"mount {pair.device('data')} /mnt && cat /mnt/file && echo two >>/mnt/file && sync")

    # the machine goes down with the file system mounted; LVR is not to start again
    a.run(f"systemctl disable lvr@{group}", timeout=120)
    pair.b.run(f"systemctl disable lvr@{group}", timeout=120)
    a.run("dd if=/dev/urandom of=/mnt/big bs=1M count=20")
    a.shutdown(timeout=600)
    pair.b.shutdown(timeout=600)
    pair.lab.start()
    for node in pair.nodes:
        assert_clean(check_log(pair, node))
        # the LVs are self-contained again; the secondary may lack the end, as a stop waits for no peer
        node.run(f"""set -e
            lvchange -ay -K {pair.vg}/data
            [ {node.name} = alpha ] || {{ mount {pair.lv('data')} /mnt; umount /mnt; }}
            e2fsck -fn {pair.lv('data')}""", timeout=180)
    a.run(f"mount {pair.lv('data')} /mnt")
    assert a.run("cat /mnt/file; stat -c %s /mnt/big").out == f"one\ntwo\n{20 << 20}\n"


def assert_clean(log):
    assert log["verdict"] == "clean", log
    assert log["undestaged_records"] == 0, log
    assert "clean" in str(log["super"]["flags"]), log["super"]
