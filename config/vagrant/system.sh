#!/bin/bash
# What Kubernetes asks of any machine: no swap, forwarding, and the two machines' pods know the way to each other.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
# Told now, and not by images.sh after CRIU has been compiled.
for image in operator agent; do
  [ -e "/vagrant/artifacts/images/$image.tar" ] || { echo "artifacts/images/$image.tar is not there: make images, before vagrant up" >&2; exit 1; }
done
swapoff -a
sed -i '/^[^#].*\sswap\s/s/^/#/' /etc/fstab
printf 'overlay\nbr_netfilter\n' >/etc/modules-load.d/kubernetes.conf
modprobe -a overlay br_netfilter
printf 'net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\nnet.bridge.bridge-nf-call-ip6tables = 1\n' \
  >/etc/sysctl.d/99-kubernetes.conf
sysctl --quiet --system
# The name in kubelet's own certificate must lead here.
sed -i "/\s$(hostname)\$/d" /etc/hosts
echo "$NODE_IP $(hostname)" >>/etc/hosts
apt-get -q update
apt-get -q -y install apt-transport-https ca-certificates curl gpg openssl iproute2

{
  printf '[Unit]\nDescription=Ways to the pods of the other nodes\nAfter=network-online.target\nWants=network-online.target\n\n'
  printf '[Service]\nType=oneshot\nRemainAfterExit=yes\n'
  for node in $NODES; do
    [ "${node#*=}" = "$NODE_IP" ] || echo "ExecStart=/sbin/ip route replace 10.244.${node%%=*}.0/24 via ${node#*=}"
  done
  printf '\n[Install]\nWantedBy=multi-user.target\n'
} >/etc/systemd/system/pod-routes.service
systemctl daemon-reload
systemctl enable --now pod-routes.service
