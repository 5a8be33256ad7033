#!/bin/bash
# Becomes a node of the bench: runs in fresh mount, PID, UTS, IPC and network namespaces and ends as the node's init.
# Reads NODE_NAME, NODE_ROOT (an overlay of the tree, mounted), NODE_DIR, NODE_STORE, NODE_DOTNET, NODE_PROGRAMS.
set -euo pipefail
root=$NODE_ROOT
mount --make-rprivate /
hostname "$NODE_NAME"
mount -t overlay overlay -o "lowerdir=$NODE_TREE,upperdir=$NODE_DIR/upper,workdir=$NODE_DIR/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  case $device in null) m=3;; zero) m=5;; full) m=7;; random) m=8;; urandom) m=9;; tty) m=0;; esac
  if [ "$device" = tty ]; then mknod -m 666 "$root/dev/tty" c 5 0; else mknod -m 666 "$root/dev/$device" c 1 "$m"; fi
done
ln -s /proc/self/fd "$root/dev/fd"
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%%:*}" "$root/dev/${n#*:}"; done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
# crun refuses hybrid cgroups, and CRIU must not see the v2 tree: only the v1 controllers.
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
  [ -d "/sys/fs/cgroup/$controller" ] || continue
  mkdir "$root/sys/fs/cgroup/$controller"
  mount --bind "/sys/fs/cgroup/$controller" "$root/sys/fs/cgroup/$controller"
done
bind() { mkdir -p "$1" "$root$2"; mount --bind "$1" "$root$2"; }
# An overlay cannot be the upper layer of another: what containerd and kubelet write stands on the real disk.
bind "$NODE_DIR/containerd" /var/lib/containerd
bind "$NODE_DIR/kubelet" /var/lib/kubelet
bind "$NODE_DIR/pods-log" /var/log/pods
bind "$NODE_DIR/state" /var/lib/pod-checkpointing
bind "$NODE_DIR/etc" /etc/bench
bind "$NODE_STORE" /mnt/checkpoints
bind "$NODE_DOTNET" /usr/share/dotnet
bind "$NODE_PROGRAMS" /opt/pod-checkpointing
mkdir -p "$root/run/netns" "$root/old"
pivot_root "$root" "$root/old"
cd /
umount -l /old
ip link set lo up
exec tini -- sleep infinity
