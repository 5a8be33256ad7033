#!/bin/bash
# Makes the Debian sid tree that every node of the bench runs on, in the folder named by $1, unless it stands there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1
[ -e "$out/.complete" ] && exit 0
# shellcheck source=../debian.sh
. "$here/../debian.sh"

work=$(mktemp -d "$(dirname "$out")/node-build.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
debian_tree sid "$work/tree" criu,crun,libcriu2,containerd,containernetworking-plugins,iptables,iproute2,busybox-static,procps,zstd,ca-certificates,python3,tini,libssl3t64
# crun takes CRIU's configuration file only with libcriu 4.2 or newer.
criu=$(chroot "$work/tree" criu --version | sed -n 's/^Version: //p')
case $criu in
  4.[2-9]*|4.[1-9][0-9]*|[5-9].*) ;;
  *) echo "Debian sid carries CRIU $criu; the bench needs 4.2 or newer" >&2; exit 1 ;;
esac
for package in criu crun containerd containernetworking-plugins; do
  chroot "$work/tree" dpkg-query -W "$package"
done
rm -rf "$work/tree/var/cache/apt/archives" "$work/tree/var/lib/apt/lists" "$work/tree/usr/share/doc"
mkdir -p "$work/tree/var/cache/apt/archives/partial" "$work/tree/var/lib/apt/lists/partial"
touch "$work/tree/.complete"
rm -rf "$out"
mv "$work/tree" "$out"
