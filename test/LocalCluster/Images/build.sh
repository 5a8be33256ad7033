#!/bin/bash
# Makes the bench's images out of programs of the node tree: build.sh NODE_TREE OUT. No registry, no container engine.
set -euo pipefail
tree=$1
out=$2
[ -e "$out/.complete" ] && exit 0
work=$(mktemp -d "$(dirname "$out")/images-build.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/out"

digest() { sha256sum "$1" | cut -d' ' -f1; }

# add_program ROOT PATH…: programs with the libraries that they load.
add_program() {
  local root=$1 path; shift
  for path in "$@"; do
    mkdir -p "$root$(dirname "$path")"
    cp -L "$tree$path" "$root$path"
    { chroot "$tree" ldd "$path" 2>/dev/null || true; } | sed -n 's/.*=> \(\/\S*\) .*/\1/p; s/^\s*\(\/lib64\/\S*\) .*/\1/p' | while read -r library; do
      mkdir -p "$root$(dirname "$library")"
      cp -Ln "$tree$library" "$root$library"
    done
  done
}

# base ROOT: a root file system with a shell.
base() {
  mkdir -p "$1"/{bin,etc,tmp,proc,sys,dev,root,var,usr/bin}
  chmod 1777 "$1/tmp"
  cp "$tree/usr/bin/busybox" "$1/bin/busybox"
  chroot "$1" /bin/busybox --install -s /bin
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$1/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$1/etc/group"
}

# image NAME ROOT ENTRYPOINT_JSON [REFERENCE]: an OCI archive with one layer, called localhost/NAME:1 and REFERENCE.
image() {
  local name=$1 root=$2 command=$3 oci="$work/$1-oci" layer config manifest reference separator=
  mkdir -p "$oci/blobs/sha256"
  tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$oci/layer" .
  layer=$(digest "$oci/layer"); size=$(stat -c %s "$oci/layer"); mv "$oci/layer" "$oci/blobs/sha256/$layer"
  printf '{"architecture":"amd64","os":"linux","created":"1970-01-01T00:00:00Z","config":{"Env":["PATH=/bin:/usr/bin"],"Cmd":%s},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$command" "$layer" >"$oci/config"
  config=$(digest "$oci/config"); config_size=$(stat -c %s "$oci/config"); mv "$oci/config" "$oci/blobs/sha256/$config"
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
    "$config" "$config_size" "$layer" "$size" >"$oci/manifest"
  manifest=$(digest "$oci/manifest"); manifest_size=$(stat -c %s "$oci/manifest"); mv "$oci/manifest" "$oci/blobs/sha256/$manifest"
  printf '{"schemaVersion":2,"manifests":[' >"$oci/index.json"
  for reference in "localhost/$name:1" "${@:4}"; do
    printf '%s{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"}}' \
      "$separator" "$manifest" "$manifest_size" "$reference" "${reference##*:}" >>"$oci/index.json"
    separator=,
  done
  printf ']}' >>"$oci/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$oci/oci-layout"
  tar -C "$oci" -cf "$work/out/$name.tar" .
}

base "$work/busybox"
image busybox "$work/busybox" '["/bin/sh"]'
mkdir -p "$work/pause/bin"
cp "$tree/usr/bin/busybox" "$work/pause/bin/sleep"
image pause "$work/pause" '["/bin/sleep","2147483647"]'
base "$work/python"
python=$(chroot "$tree" readlink -f /usr/bin/python3)
add_program "$work/python" "$python"
ln -s "$(basename "$python")" "$work/python/usr/bin/python3"
library=/usr/lib/$(basename "$python")
mkdir -p "$work/python$library"
cp -a "$tree$library/." "$work/python$library/"
find "$work/python$library" -name __pycache__ -prune -exec rm -rf {} +
for extension in "$tree$library"/lib-dynload/*.so; do add_program "$work/python" "${extension#"$tree"}"; done
# The samples name the image that a real cluster pulls; this one stands in for it.
image python "$work/python" '["/usr/bin/python3"]' docker.io/library/python:3-slim

# unpack ROOT PACKAGE…: packages of this machine's own Debian with the libraries that they need, not installed.
unpack() {
  local root=$1 packages package; shift
  apt-cache show "$1" >/dev/null 2>&1 || apt-get -q update >/dev/null
  packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
    grep -E "^($(echo "$*" | tr ' ' '|')|lib[a-z0-9.+-]+|zlib1g)$" | sort -u)
  mkdir -p "$work/packages"
  # shellcheck disable=SC2086
  (cd "$work/packages" && apt-get -qq -o APT::Sandbox::User=root download $packages)
  for package in "$work/packages"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -C "$root" -x --exclude='./usr/share/*' --exclude='./usr/lib/*/gconv/*' --exclude=./etc/init.d
  done
}

base "$work/mosquitto"
unpack "$work/mosquitto" mosquitto mosquitto-clients
image mosquitto "$work/mosquitto" '["/usr/sbin/mosquitto"]'
touch "$work/out/.complete"
rm -rf "$out"
mv "$work/out" "$out"
