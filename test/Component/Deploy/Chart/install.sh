#!/bin/bash
# Makes the renderer beside this file, in the bench's cache, and prints where it is. Debian carries Go and the packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${POD_CHECKPOINTING_CACHE:-/var/cache/pod-checkpointing}
out=$cache/chart-$(cat "$here/main.go" "$here/install.sh" | sha256sum | cut -c1-12)
if [ ! -x "$out/chart" ]; then
  packages=(golang-go golang-github-masterminds-sprig-dev golang-github-xeipuuv-gojsonschema-dev golang-github-ghodss-yaml-dev)
  export DEBIAN_FRONTEND=noninteractive
  if ! dpkg-query -W -f '${db:Status-Status}\n' "${packages[@]}" 2>/dev/null | grep -c '^installed$' | grep -qx "${#packages[@]}"; then
    apt-get install -q -y --no-install-recommends "${packages[@]}" >&2 || {
      apt-get -q update >&2
      apt-get install -q -y --no-install-recommends "${packages[@]}" >&2
    }
  fi
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/chart-build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # Packages as Debian lays them out, without modules.
  mkdir -p "$work/src/chart"
  cp "$here/main.go" "$work/src/chart/"
  export GO111MODULE=off GOPATH=$work:/usr/share/gocode GOCACHE=$work/cache CGO_ENABLED=0 HOME=$work
  go build -trimpath -o "$work/out/chart" chart >&2
  rm -rf "$out"
  mv "$work/out" "$out"
fi
echo "$out/chart"
