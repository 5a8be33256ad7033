#!/bin/bash
# Makes what the bench stands on, where it is missing: packages, an API server, a node's tree and the images. Says by name what this
# machine lacks.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=paths.sh
. "$here/paths.sh"

# What no package brings: said by name here, instead of by a node that does not come up.
check_machine() {
  local missing=() controller
  [ "$(id -u)" = 0 ] || { echo "the bench makes name spaces and mounts: run it as root" >&2; exit 1; }
  for controller in cpu cpuset devices freezer memory pids; do
    [ -d "/sys/fs/cgroup/$controller" ] || missing+=("$controller")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    echo "the bench's nodes need cgroup v1, and /sys/fs/cgroup has no ${missing[*]}: boot with" \
      "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1, or mount each as" \
      "mount -t cgroup -o ${missing[0]} cgroup /sys/fs/cgroup/${missing[0]}" >&2
    exit 1
  fi
  grep -qw overlay /proc/filesystems || modprobe -q overlay || {
    echo "the bench's nodes stand on overlay file systems, which this kernel has not: load the module overlay" >&2
    exit 1
  }
}

# check_space FOLDER MEGABYTES
check_space() {
  local free
  free=$(df --output=avail -m "$1" | tail -n 1)
  [ "$free" -ge "$2" ] || { echo "$1 has $((free)) MB free, and $2 MB are needed" >&2; exit 1; }
}

check_machine
mkdir -p "$cache" "$runs"
check_space "$runs" 2000
missing=()
for pair in debootstrap:debootstrap ip:iproute2 openssl:openssl python3:python3 nsenter:util-linux sysctl:procps shellcheck:shellcheck; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
# What stands needs no lock, which the making of another version may hold for minutes.
if [ ${#missing[@]} = 0 ] && [ -x "$apiserver/kube-apiserver" ] && [ -x "$apiserver/kubectl" ] && [ -e "$tree/.complete" ] && [ -e "$images/.complete" ]; then
  exit 0
fi
check_space "$cache" 5000
exec 8>"$cache/.lock"
flock 8
if [ ${#missing[@]} -gt 0 ]; then
  apt-get -q update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}" >/dev/null
fi
"$here/ApiServer/install.sh" "$apiserver"
"$here/Nodes/install.sh" "$tree"
"$here/Images/build.sh" "$tree" "$images"
