#!/bin/bash
# Makes the machine that config/vagrant/ is tried on, in the bench's cache, and prints where it is: Debian 12 in place of
# Ubuntu 22.04, whose packages cannot be had here. In it: /srv/debian, an archive of the Debian packages that the steps
# install; /srv/www, what stands in for pkgs.k8s.io and download.opensuse.org, which are not reached: signed archives with
# a kubeadm (beside this file), the bench's kubectl, and a kubelet and a cri-o that hold a unit and nothing to run; and
# /srv/git, what stands in for github.com: Debian's sources of CRIU and crun, sid's or trixie's. The tree has CRIU and crun
# already, by the step criu.sh itself, whose second run finds them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../../../.." && pwd)
scripts=$repo/config/vagrant
cache=${POD_CHECKPOINTING_CACHE:-/var/cache/pod-checkpointing}
# The names behind "apt-get install" in the steps, but those of other archives.
packages=$(cat "$scripts"/*.sh | sed -e ':a' -e '/\\$/N; s/\\\n//; ta' | sed -n 's/.*apt-get -q -y install \([a-z-][^;|&}]*\).*/\1/p' |
  tr ' ' '\n' | grep -vxE -- '-.*|cri-o|kubelet|kubeadm|kubectl|' | sort -u)
out=$cache/vagrant-tree-$(cat "$0" "$here/kubeadm" "$scripts/criu.sh" "$scripts/versions.sh" - <<<"$packages" | sha256sum | cut -c1-12)
[ -e "$out/.complete" ] && { echo "$out"; exit 0; }
# shellcheck source=../../../LocalCluster/debian.sh
. "$repo/test/LocalCluster/debian.sh"
# shellcheck source=../../../../config/vagrant/versions.sh
. "$scripts/versions.sh"

mkdir -p "$cache"
exec 8>"$cache/.vagrant-lock"
flock 8
[ -e "$out/.complete" ] && { echo "$out"; exit 0; }
work=$(mktemp -d "$cache/vagrant-build.XXXXXX")
tree=$work/tree
trap 'umount -l "$tree/proc" "$tree/dev" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
in_tree() { DEBIAN_FRONTEND=noninteractive HOME=/root chroot "$tree" "$@" >>"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; return 1; }; }

# What a machine of Vagrant has before its first step, and what is needed to make the rest.
debian_tree bookworm "$tree" systemd,kmod,procps,hostname,git,gpg,gpg-agent,openssl,ca-certificates,dpkg-dev,sudo
mount --bind /proc "$tree/proc"
mount --bind /dev "$tree/dev"
in_tree useradd --create-home vagrant
# shellcheck disable=SC2086
in_tree apt-get -q -y --download-only install $packages

# package NAME FOLDER [PATCH]: a package of the files in FOLDER/files; FOLDER becomes its archive.
package() {
  mkdir -p "$tree/$2/files/DEBIAN"
  printf 'Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: nobody\nDescription: stands in for %s\n' "$1" "${kubernetes#v}.${3:-0}-1.1" "$1" \
    >"$tree/$2/files/DEBIAN/control"
  in_tree dpkg-deb --root-owner-group --build "/$2/files" "/$2/$1.deb"
  rm -rf "${tree:?}/$2/files"
}
# unit FOLDER NAME
unit() {
  mkdir -p "$tree/$1/files/usr/lib/systemd/system"
  printf '[Service]\nExecStart=/usr/bin/%s\n[Install]\nWantedBy=multi-user.target\n' "$2" >"$tree/$1/files/usr/lib/systemd/system/$2.service"
}
# sign FOLDER: a signed archive, with the key beside it.
sign() {
  in_tree sh -ec "cd /$1 && dpkg-scanpackages -m . >Packages && apt-ftparchive release . >/tmp/Release && mv /tmp/Release Release &&
    gpg --batch --yes --clearsign -o InRelease Release && gpg --batch --yes --armor --export >Release.key"
}
in_tree apt-get -q -y install apt-utils
in_tree gpg --batch --passphrase '' --quick-generate-key stand-in@localhost rsa2048 default never
# kubernetes_archive FOLDER PATCH
kubernetes_archive() {
  mkdir -p "$tree/$1/files/usr/bin"
  install -m 755 "$here/kubeadm" "$tree/$1/files/usr/bin/kubeadm"
  package kubeadm "$1" "$2"
  mkdir -p "$tree/$1/files/usr/bin"
  printf '#!/bin/sh\nexec /srv/parts/kubectl "$@"\n' >"$tree/$1/files/usr/bin/kubectl"
  chmod 755 "$tree/$1/files/usr/bin/kubectl"
  package kubectl "$1" "$2"
  unit "$1" kubelet
  package kubelet "$1" "$2"
  sign "$1"
}
kubernetes_archive "srv/www/core:/stable:/$kubernetes/deb" 0
# What machine.sh puts in its place before the second run.
kubernetes_archive srv/newer 1
crio=srv/www/repositories/isv:/cri-o:/stable:/$kubernetes/deb
unit "$crio" crio
# What the real one brings along, and crio.sh removes.
mkdir -p "$tree/$crio/files/etc/cni/net.d"
echo '{"cniVersion":"1.0.0","name":"crio","plugins":[]}' >"$tree/$crio/files/etc/cni/net.d/11-crio-ipv4-bridge.conflist"
package cri-o "$crio"
sign "$crio"
in_tree gpgconf --kill all

# The sources, as repositories with the tags that criu.sh asks for.
printf "deb-src [check-valid-until=no] %s %s main\n" "$(debian_mirror)" sid "$(debian_mirror)" trixie >"$tree/etc/apt/sources.list.d/sources.list"
in_tree apt-get -q update
# The newest that the mirror really has; it may know a source that it lacks.
fetch() {
  local suite
  for suite in sid trixie; do
    in_tree sh -ec "cd /srv/git/$1 && apt-get -q source --download-only --tar-only $1/$suite" 2>/dev/null && return
  done
  echo "neither sid's nor trixie's source of $1 can be had" >&2
  return 1
}
for name in "criu $criu" "crun $crun"; do
  read -r program version <<<"$name"
  mkdir -p "$tree/srv/git/$program/tree"
  fetch "$program"
  in_tree sh -ec "cd /srv/git/$program && tar -xf ./*.orig.tar.* -C tree --strip-components=1 && cd tree &&
    git init -q && git add -A -f && git -c user.name=x -c user.email=x@x commit -q -m $program && git tag $version"
done
rm "$tree/etc/apt/sources.list.d/sources.list"
in_tree git config --system url.file:///srv/git/criu/tree.insteadOf https://github.com/checkpoint-restore/criu
in_tree git config --system url.file:///srv/git/crun/tree.insteadOf https://github.com/containers/crun
in_tree git config --system safe.directory '*'
mkdir -p "$tree/vagrant/config"
cp -r "$scripts" "$tree/vagrant/config/vagrant"
# As the root of its own mount namespace: CRIU looks at where it stands.
unshare --mount --pid --fork --kill-child bash -ec 'mount --make-rprivate /
  mount --bind "$1" "$1"
  mount -t proc proc "$1/proc"
  mount --rbind /dev "$1/dev"
  mount -t tmpfs tmpfs "$1/run"
  cd "$1"
  pivot_root . mnt
  umount -l mnt
  exec chroot . bash /vagrant/config/vagrant/criu.sh' bash "$tree" >>"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; exit 1; }
rm -rf "$tree/vagrant"

# From now on no network: Debian's packages from a folder, the two hosts from this machine itself.
mkdir "$tree/srv/debian"
mv "$tree"/var/cache/apt/archives/*.deb "$tree/srv/debian/"
in_tree sh -ec 'cd /srv/debian && dpkg-scanpackages -m . >Packages'
rm -rf "$tree"/etc/apt/sources.list* "$tree"/var/lib/apt/lists/*
mkdir -p "$tree/etc/apt/sources.list.d"
echo 'deb [trusted=yes] file:/srv/debian ./' >"$tree/etc/apt/sources.list"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tree/srv/www.key" \
  -out "$tree/usr/local/share/ca-certificates/www.crt" -subj /CN=www -days 3650 \
  -addext subjectAltName=DNS:pkgs.k8s.io,DNS:download.opensuse.org 2>/dev/null
cp "$tree/usr/local/share/ca-certificates/www.crt" "$tree/srv/www.crt"
in_tree update-ca-certificates

# What a tree cannot do, or must not do to the machine that it is on.
printf '#!/bin/sh\n# Modules are the whole machine'"'"'s.\nexit 0\n' >"$tree/usr/local/sbin/modprobe"
printf '#!/bin/sh\n# Swap is the whole machine'"'"'s.\nexit 0\n' >"$tree/usr/local/sbin/swapoff"
cat >"$tree/usr/local/sbin/sysctl" <<'SH'
#!/bin/sh
# Only what a network namespace has of its own. (sysctl's --pattern lets nothing through, in Debian 12's version.)
[ "$*" = "--quiet --system" ] || exec /sbin/sysctl "$@"
cat /etc/sysctl.d/*.conf | grep '^net\.ipv4\.ip_forward *=' | /sbin/sysctl --quiet --load=-
SH
chmod 755 "$tree"/usr/local/sbin/{modprobe,swapoff,sysctl}
umount "$tree/proc" "$tree/dev"
rm -rf "$tree/srv/git"
touch "$tree/.complete"
rm -rf "$out"
mv "$tree" "$out"
echo "$out"
