#!/bin/bash
# CRI-O with CRIU support, our crun, and a bridge for this machine's pods.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
# shellcheck source=versions.sh
. /vagrant/config/vagrant/versions.sh
url=https://download.opensuse.org/repositories/isv:/cri-o:/stable:/$kubernetes/deb
mkdir -p /etc/apt/keyrings
curl -fsSL "$url/Release.key" | gpg --batch --yes --dearmor -o /etc/apt/keyrings/cri-o.gpg
echo "deb [signed-by=/etc/apt/keyrings/cri-o.gpg] $url/ /" >/etc/apt/sources.list.d/cri-o.list
apt-get -q update
apt-get -q -y install cri-o skopeo
rm -f /etc/cni/net.d/*
cat >/etc/cni/net.d/10-pods.conflist <<CNI
{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,"hairpinMode":true,
"ipam":{"type":"host-local","ranges":[[{"subnet":"10.244.$NODE_INDEX.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
{"type":"portmap","capabilities":{"portMappings":true}}]}
CNI
# The agent puts its programs on its node, too; but CRI-O drops a runtime whose program is missing when it starts.
install -D -m 755 -t /usr/libexec/pod-checkpointing /vagrant/agent/Restores/Handler/checkpoint-restore /vagrant/agent/Fences/Hook/checkpoint-fence
install -D -m 644 -t /etc/containers/oci/hooks.d /vagrant/config/crio/checkpoint-fence.json
install -D -m 644 -t /etc/crio/crio.conf.d /vagrant/config/crio/10-pod-checkpointing.conf
# Our crun for whoever takes the package's.
mkdir -p /usr/libexec/crio
dpkg-divert --local --rename --quiet --add /usr/libexec/crio/crun
ln -sfn /usr/bin/crun /usr/libexec/crio/crun
# The signature policy of the whole node instead of CRI-O's: restoring from an OCI image works with no other.
[ -e /etc/containers/policy.json ] || echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
cat >/etc/crio/crio.conf.d/20-node.conf <<'CONF'
[crio.image]
signature_policy = ""
[crio.runtime]
default_runtime = "crun"
[crio.runtime.runtimes.crun]
runtime_path = "/usr/bin/crun"
runtime_type = "oci"
runtime_root = "/run/crun"
monitor_path = "/usr/libexec/crio/conmon"
CONF
systemctl enable crio
systemctl restart crio
