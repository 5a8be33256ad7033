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
# They are held at what the cluster was made with: apt refuses to touch them once there is a newer patch, which is kubeadm's business.
if [ "$(dpkg-query -W -f '${db:Status-Status} ${Version}\n' kubelet kubeadm kubectl 2>/dev/null | grep -c "^installed ${kubernetes#v}\.")" != 3 ]; then
  apt-get -q -y install --allow-change-held-packages kubelet kubeadm kubectl
  apt-mark hold kubelet kubeadm kubectl >/dev/null
fi
# Not the address that all machines of VirtualBox have alike.
echo "KUBELET_EXTRA_ARGS=--node-ip=$NODE_IP" >/etc/default/kubelet
systemctl enable kubelet
