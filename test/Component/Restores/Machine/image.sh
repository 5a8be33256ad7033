#!/bin/bash
# Makes the machine that nodes are tried on under cgroup v2 and systemd, which the bench's have not: Debian sid with its kernel and
# containerd, for QEMU. In the bench's cache; prints the folder, with disk, vmlinuz and initrd. What it runs is on a second disk (run.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../../../.." && pwd)
cache=${POD_CHECKPOINTING_CACHE:-/var/cache/pod-checkpointing}
out=$cache/machine-$(cat "$0" "$repo/test/LocalCluster/debian.sh" | sha256sum | cut -c1-12)
missing=()
for pair in qemu-system-x86_64:qemu-system-x86 mkfs.ext4:e2fsprogs debootstrap:debootstrap; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
[ ${#missing[@]} -gt 0 ] || [ ! -e "$out/.complete" ] || { echo "$out"; exit 0; }
# shellcheck source=../../../LocalCluster/debian.sh
. "$repo/test/LocalCluster/debian.sh"

mkdir -p "$cache"
exec 8>"$cache/.machine-lock"
flock 8
if [ ${#missing[@]} -gt 0 ]; then
  apt-get -q update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}" >/dev/null
fi
[ -e "$out/.complete" ] && { echo "$out"; exit 0; }
work=$(mktemp -d "$cache/machine-build.XXXXXX")
tree=$work/tree
trap 'umount -l "$tree/proc" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
debian_tree sid "$tree" "systemd,systemd-sysv,dbus,kmod,criu,crun,libcriu2,iproute2,iptables,busybox-static,procps,\
containerd,containernetworking-plugins,libssl3t64,libstdc++6,libzstd1"
# Whoever wants it starts it.
rm "$tree/etc/systemd/system/multi-user.target.wants/containerd.service"
# Its kernel as the last: debootstrap configures in no order.
mount -t proc proc "$tree/proc"
apt=(env DEBIAN_FRONTEND=noninteractive chroot "$tree" apt-get -q -y -o Acquire::Check-Valid-Until=false)
{ "${apt[@]}" update && "${apt[@]}" install --no-install-recommends initramfs-tools linux-image-cloud-amd64; } >"$work/log" 2>&1 || {
  tail -n 30 "$work/log" >&2
  exit 1
}
umount "$tree/proc"
rm -rf "$tree/var/cache/apt/archives" "$tree/var/lib/apt/lists" "$tree/usr/share/doc"
: >"$tree/etc/machine-id"
echo "/dev/vda / ext4 defaults 0 1" >"$tree/etc/fstab"
cat >"$tree/etc/systemd/system/job.service" <<'UNIT'
[Unit]
Description=what the second disk holds
After=dbus.service
[Service]
Type=oneshot
ExecStart=/bin/bash -c "mkdir /job && mount /dev/vdb /job && cd /job && bash run.sh; echo END $?"
ExecStopPost=/bin/systemctl poweroff --force --force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
Delegate=yes
[Install]
WantedBy=multi-user.target
UNIT
ln -s ../job.service "$tree/etc/systemd/system/multi-user.target.wants/job.service"
mkdir "$work/out"
cp "$tree"/boot/vmlinuz-* "$work/out/vmlinuz"
cp "$tree"/boot/initrd.img-* "$work/out/initrd"
truncate -s 3G "$work/out/disk"
mkfs.ext4 -q -F -d "$tree" "$work/out/disk"
touch "$work/out/.complete"
rm -rf "$out"
mv "$work/out" "$out"
echo "$out"
