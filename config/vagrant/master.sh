#!/bin/bash
# The control plane, which takes pods like the worker, and our operator; agents follow as nodes join.
set -euo pipefail
export KUBECONFIG=/etc/kubernetes/admin.conf
system=pod-checkpointing-system
if [ ! -e "$KUBECONFIG" ]; then
  kubeadm init --apiserver-advertise-address "$NODE_IP" --cri-socket unix:///run/crio/crio.sock
fi
kubectl taint nodes --all node-role.kubernetes.io/control-plane- 2>/dev/null || true
vagrant_home=$(getent passwd vagrant | cut -d: -f6)
install -d -o vagrant -g vagrant "$vagrant_home/.kube"
install -m 600 -o vagrant -g vagrant "$KUBECONFIG" "$vagrant_home/.kube/config"
# For the worker, within a day.
install -d -m 700 /vagrant/.vagrant
(umask 077 && kubeadm token create --ttl 24h --print-join-command >/vagrant/.vagrant/join)

kubectl create namespace "$system" --dry-run=client -o yaml | kubectl apply -f -
/vagrant/config/certificates.sh 365 /etc/pod-checkpointing/authority | kubectl apply -f -
kubectl apply --server-side -k /vagrant/config/vagrant
kubectl -n "$system" rollout status --timeout=300s deployment/pod-checkpointing-operator
kubectl -n "$system" rollout status --timeout=300s daemonset/checkpoint-agent
