#!/bin/bash
# CRIU with its library, and a crun that loads it, from their sources at the versions of versions.sh.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
# shellcheck source=versions.sh
. /vagrant/config/vagrant/versions.sh
if [ "$(cat /usr/local/share/criu-and-crun 2>/dev/null)" = "$criu $crun" ]; then exit 0; fi
apt-get -q -y install git build-essential pkgconf autoconf automake libtool python3 \
  libprotobuf-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libbsd-dev libcap-dev libnl-3-dev libnet1-dev \
  libnftables-dev libgnutls28-dev libaio-dev uuid-dev libsystemd-dev libseccomp-dev libyajl-dev libjson-c-dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q --depth 1 --branch "$criu" https://github.com/checkpoint-restore/criu "$work/criu"
make -s -C "$work/criu" -j "$(nproc)" criu lib
install -m 755 "$work/criu/criu/criu" /usr/sbin/criu
# Beside the distribution's libraries, where crun looks for it; headers and pkg-config file for its build.
make -s -C "$work/criu" PREFIX=/usr SKIP_PIP_INSTALL=1 install-lib
ldconfig
git clone -q --depth 1 --recurse-submodules --branch "$crun" https://github.com/containers/crun "$work/crun"
(cd "$work/crun" && ./autogen.sh >/dev/null && ./configure --quiet --prefix=/usr && make -s -j "$(nproc)")
install -m 755 "$work/crun/crun" /usr/bin/crun
crun --version | grep -q '+CRIU' || { echo "crun was built without CRIU" >&2; exit 1; }
criu check || { echo "this kernel lacks something that CRIU needs" >&2; exit 1; }
mkdir -p /etc/criu
# On cgroup v1 CRIU leaves cgroups alone; the runtime and the restore handler see to them. On v2 it must not.
[ -e /sys/fs/cgroup/cgroup.controllers ] || echo manage-cgroups=ignore >/etc/criu/crun.conf
echo "$criu $crun" >/usr/local/share/criu-and-crun
