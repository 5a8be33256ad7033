#!/bin/bash
# Builds the images of operator and agent from artifacts/ (`make build`) without a registry, and leaves them as OCI archives:
#   config/images/build.sh [OUT]          OUT: artifacts/images
# From the same Dockerfiles as everybody's, on a base of Debian packages and this machine's .NET runtime, or on $BASE where
# that names an image. Into a node: ctr -n k8s.io images import FILE, or for CRI-O
#   skopeo copy oci-archive:FILE containers-storage:localhost/checkpoint-agent:0.1.0
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-$repo/artifacts/images}
cache=${POD_CHECKPOINTING_CACHE:-/var/cache/pod-checkpointing}
version=$(sed -n 's/^appVersion: //p' "$repo/charts/pod-checkpointing/Chart.yaml")
for part in operator agent store; do
  [ -e "$repo/artifacts/$part" ] || { echo "artifacts/$part is not there: make build" >&2; exit 1; }
done

# The same images need not be made again, until there may be security updates: the base is of this month, with this machine's .NET.
base_of=$({ sed -n '/^base_tree/,/^}/p' "$0"; dotnet --list-runtimes; date -u +%Y-%m; } | sha256sum | cut -c1-12)
made_of=$(cd "$repo" && find artifacts/operator artifacts/agent artifacts/store controllers/Manager/Dockerfile agent/Dockerfile config/images \
  agent/Restores/Handler agent/Fences/Hook config/crio -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)-$version-${BASE:-$base_of}
if [ "$(cat "$out/.made-of" 2>/dev/null)" = "$made_of" ]; then exit 0; fi

missing=()
for program in buildah mmdebstrap; do command -v "$program" >/dev/null || missing+=("$program"); done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get -q update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}" >/dev/null
fi

mkdir -p "$cache" "$out"
work=$(mktemp -d "$cache/image-build.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
# An own store, gone afterwards; no overlay and no name spaces, so that it works inside a container, too.
buildah() {
  command buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}
export BUILDAH_ISOLATION=chroot

# base_tree DIR: what .NET needs of a Debian, and the runtime; no package manager, no documentation.
base_tree() {
  local until
  # As for this machine's own packages: a mirror that stands still may be past its date.
  until=$(apt-config dump Acquire::Check-Valid-Until)
  mmdebstrap --quiet --variant=essential ${until:+--aptopt="$until"} \
    --include=ca-certificates,libssl3,libstdc++6,libzstd1,zlib1g \
    --dpkgopt=path-exclude='/usr/share/doc/*' --dpkgopt=path-exclude='/usr/share/man/*' \
    --dpkgopt=path-exclude='/usr/share/locale/*' --dpkgopt=path-exclude='/usr/share/info/*' bookworm "$1.tar"
  mkdir -p "$1"
  tar -C "$1" --exclude='./dev/*' --exclude='./var/cache/*' --exclude='./var/lib/apt/*' -xf "$1.tar"
  rm "$1.tar"
  local dotnet runtime
  dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
  mkdir -p "$1/usr/share/dotnet/shared"
  cp -a "$dotnet/dotnet" "$dotnet/host" "$1/usr/share/dotnet/"
  for runtime in Microsoft.NETCore.App Microsoft.AspNetCore.App; do
    mkdir -p "$1/usr/share/dotnet/shared/$runtime"
    # The newest of the version that the programs are made for.
    cp -a "$(find "$dotnet/shared/$runtime" -mindepth 1 -maxdepth 1 -name '10.*' | sort -V | tail -n 1)" "$1/usr/share/dotnet/shared/$runtime/"
  done
  ln -s ../share/dotnet/dotnet "$1/usr/bin/dotnet"
}

base=${BASE:-}
if [ -z "$base" ]; then
  kept=$cache/image-base-$base_of.tar
  if [ ! -e "$kept" ]; then
    base_tree "$work/base"
    tar -C "$work/base" -cf "$work/base.tar" .
    rm -rf --one-file-system "$work/base"
    mv "$work/base.tar" "$kept"
    find "$cache" -maxdepth 1 -name 'image-base-*.tar' -mtime +62 -delete
  fi
  base=localhost/pod-checkpointing-base:1
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$kept" / >/dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet --rm "$container" "$base" >/dev/null
fi

# image NAME DOCKERFILE FILE
image() {
  local name=localhost/$1:$version
  buildah bud --quiet --build-arg BASE="$base" --build-arg PROGRAMS=published -f "$repo/$2" -t "$name" "$repo" >/dev/null
  rm -f "$out/$3.tar"
  buildah push --quiet "$name" "oci-archive:$out/$3.tar:$name"
  echo "$name $(stat -c %s "$out/$3.tar") bytes in $out/$3.tar"
}

image pod-checkpointing-operator controllers/Manager/Dockerfile operator
image checkpoint-agent agent/Dockerfile agent
echo "$made_of" >"$out/.made-of"
