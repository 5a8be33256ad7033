#!/bin/bash
# Installs the peers of these tests, Debian's docker-registry, skopeo, buildah and zstd, unless they are there, and prints where
# checkpointctl is, which only Debian sid carries: unpacked in the bench's cache.
set -euo pipefail
cache=${POD_CHECKPOINTING_CACHE:-/var/cache/pod-checkpointing}
packages=()
for pair in docker-registry:docker-registry skopeo:skopeo buildah:buildah zstd:zstd; do
  command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
done
if [ ${#packages[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  # The package would start a registry of its own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get install -q -y --no-install-recommends "${packages[@]}" >&2 || {
    apt-get -q update >&2
    apt-get install -q -y --no-install-recommends "${packages[@]}" >&2
  }
fi

out=$cache/checkpointctl
if [ ! -x "$out/usr/bin/checkpointctl" ]; then
  here=$(cd "$(dirname "$0")" && pwd)
  # shellcheck source=../../LocalCluster/debian.sh
  . "$here/../../LocalCluster/debian.sh"
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/checkpointctl-build.XXXXXX")
  trap 'rm -rf "$work"; [ -z "${policy:-}" ] || rm -f "$policy"' EXIT
  mkdir -p "$work/lists/partial" "$work/archives/partial"
  # Package lists of sid beside this machine's own, which stay as they are; signatures are checked with Debian's keys.
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) sid main" >"$work/sources.list"
  options=(-q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
    -o "Dir::Cache=$work" -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update >&2
  (cd "$work" && apt-get "${options[@]}" download checkpointctl >&2)
  dpkg-deb -x "$work"/checkpointctl_*.deb "$work/tree"
  rm -rf "$out"
  mv "$work/tree" "$out"
fi
echo "$out/usr/bin/checkpointctl"
