# shellcheck shell=bash
# What the install scripts share: Debian trees made from this machine's own package sources.

# The mirror that this machine's apt uses.
debian_mirror() {
  { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed -n 's/^deb \(\[[^]]*\] \)\?\(\S*\/debian\/\?\) .*/\2/p'
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: \(\S*\/debian\/\?\)$/\1/p'; } | head -n 1
}

# debian_tree SUITE DIR [PACKAGE,PACKAGE…]: a minimal Debian in a folder, in which no daemon starts by itself.
debian_tree() {
  local suite=$1 tree=$2 packages=${3:-}
  mkdir -p "$tree/usr/sbin"
  debootstrap --variant=minbase ${packages:+--include="$packages"} "$suite" "$tree" "$(debian_mirror)" >"$tree.log" 2>&1 || {
    tail -20 "$tree.log" >&2
    echo "debootstrap of $suite failed; its log is above" >&2
    return 1
  }
  printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
  chmod 755 "$tree/usr/sbin/policy-rc.d"
}

# bundle_program TREE PATH OUT: a program of the tree that runs on this machine, whatever its C library: statically
# linked programs are copied; others are copied with their libraries behind a one-line starter.
bundle_program() {
  local tree=$1 path=$2 out=$3 name
  name=$(basename "$path")
  if ! chroot "$tree" ldd "$path" >/dev/null 2>&1; then
    cp "$tree$path" "$out/$name"
    return
  fi
  mkdir -p "$out/lib"
  cp "$tree$path" "$out/lib/$name.bin"
  chroot "$tree" ldd "$path" | sed -n 's/.*=> \(\/\S*\) .*/\1/p; s/^\s*\(\/lib64\/\S*\) .*/\1/p' | while read -r library; do
    cp -L "$tree$library" "$out/lib/"
  done
  # shellcheck disable=SC2016
  printf '#!/bin/sh\nd=$(dirname "$(readlink -f "$0")")/lib\nexec "$d/ld-linux-x86-64.so.2" --library-path "$d" "$d/%s.bin" "$@"\n' "$name" >"$out/$name"
  chmod 755 "$out/$name"
}
