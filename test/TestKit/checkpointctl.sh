#!/bin/bash
# Prints where checkpointctl is. Debian 12 has none: it comes out of Debian sid's pool, with the C library that it needs beside
# it, and is kept in the bench's cache.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${POD_CHECKPOINTING_CACHE:-/var/cache/pod-checkpointing}
out=$cache/checkpointctl-$(cat "$0" "$here/../LocalCluster/debian.sh" | sha256sum | cut -c1-12)
if [ ! -x "$out/checkpointctl" ]; then
  # shellcheck source=../LocalCluster/debian.sh
  . "$here/../LocalCluster/debian.sh"
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/checkpointctl-build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # An apt of its own: sid's lists, this machine's mirror and keys, and nothing of it installed here.
  mkdir -p "$work/apt/"{lists/partial,cache/archives/partial,etc} "$work/tree" "$work/out/lib"
  echo "deb $(debian_mirror) sid main" >"$work/apt/etc/sources.list"
  : >"$work/apt/status"
  options=(-q -o "Dir::State=$work/apt" -o "Dir::State::lists=$work/apt/lists" -o "Dir::State::status=$work/apt/status"
    -o "Dir::Cache=$work/apt/cache" -o "Dir::Etc::sourcelist=$work/apt/etc/sources.list" -o "Dir::Etc::sourceparts=-"
    -o "Acquire::Languages=none" -o "Acquire::Check-Valid-Until=false" -o "APT::Sandbox::User=root")
  apt-get "${options[@]}" update >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; exit 1; }
  (cd "$work" && apt-get "${options[@]}" download checkpointctl libc6 >>log 2>&1) || { tail -5 "$work/log" >&2; exit 1; }
  for deb in "$work"/*.deb; do dpkg -x "$deb" "$work/tree"; done
  cp "$work/tree/usr/bin/checkpointctl" "$work/out/lib/checkpointctl.bin"
  cp -L "$work"/tree/usr/lib/x86_64-linux-gnu/{ld-linux-x86-64.so.2,libc.so.6,libresolv.so.2,libpthread.so.0} "$work/out/lib/"
  # shellcheck disable=SC2016
  printf '#!/bin/sh\nd=$(dirname "$(readlink -f "$0")")/lib\nexec "$d/ld-linux-x86-64.so.2" --library-path "$d" "$d/checkpointctl.bin" "$@"\n' \
    >"$work/out/checkpointctl"
  chmod 755 "$work/out/checkpointctl"
  "$work/out/checkpointctl" --help >/dev/null
  # Another test run may have made it meanwhile: either is whole.
  mv -T "$work/out" "$out" 2>/dev/null || [ -x "$out/checkpointctl" ]
fi
echo "$out/checkpointctl"
