# Run in a guest after each start, cold or from a saved state, to make it this node.
# In: $node $now $saved $address $hosts, $peers ("<number> <address of the peer> <mac>" a line each),
# 64 random bytes on standard input.
set -e
agent --reseed
date -s "@$now" >/dev/null
echo "$node" >/proc/sys/kernel/hostname

mkdir -p /dev/disk/rig
rm -f /dev/disk/rig/*
for device in /sys/block/vd* /sys/block/ubd*; do
    [ -e "$device" ] || continue
    read -r serial <"$device/serial" || [ "$serial" ] || continue
    name=${device##*/}
    ln -s "/dev/$name" "/dev/disk/rig/$serial"
    # a saved state has not seen this disk yet
    [ "$saved" = 0 ] || blockdev --rereadpt "/dev/$name"
done

if [ -d /run/systemd/system ]; then
    systemctl is-system-running --wait >/dev/null || :
else
    tar -xf /dev/disk/rig/payload -C /lvr
    for module in /lvr/modules/*.ko; do
        [ ! -e "$module" ] || depmod
        break
    done
fi

printf '127.0.0.1 localhost\n%s\n' "$hosts" >/etc/hosts
ip link set lo up
echo "$peers" | while read -r number peer mac; do
    [ "$number" ] || continue
    # in user mode
    [ ! -e "/sys/class/net/vec$number" ] || ip link set "vec$number" name "eth$number"
    ip link set "eth$number" address "$mac" up
    ip address replace "$address" peer "$peer" dev "eth$number"
done
