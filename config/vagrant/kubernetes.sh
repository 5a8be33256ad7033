#!/bin/bash
# kubelet, kubeadm and kubectl. The checkpoint endpoint's feature gate is on by default.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
# shellcheck source=versions.sh
. /vagrant/config/vagrant/versions.sh
url=https://pkgs.k8s.io/core:/stable:/$kubernetes/deb
mkdir -p /etc/apt/keyrings
curl -fsSL "$url/Release.key" | gpg --batch --yes --dearmor -o /etc/apt/keyrings/kubernetes.gpg
echo "deb [signed-by=/etc/apt/keyrings/kubernetes.gpg] $url/ /" >/etc/apt/sources.list.d/kubernetes.list
apt-get -q update
apt-get -q -y install kubelet kubeadm kubectl
apt-mark hold kubelet kubeadm kubectl >/dev/null
# Not the address that all machines of VirtualBox have alike.
echo "KUBELET_EXTRA_ARGS=--node-ip=$NODE_IP" >/etc/default/kubelet
systemctl enable kubelet
