#!/bin/bash
# The demo on the machines: vagrant ssh master -c /vagrant/config/vagrant/try.sh
# A counter starts on the master, moves to the worker, and goes on counting there.
set -euo pipefail
samples=/vagrant/config/samples/demo
# The samples' nodes have other names.
here() { sed 's/node-a/master/; s/node-b/worker/' "$1"; }
kubectl wait --for=condition=Ready node master worker --timeout=120s
kubectl -n pod-checkpointing-system rollout status --timeout=300s daemonset/checkpoint-agent
here "$samples/counter.yaml" | kubectl apply -f -
kubectl wait --for=condition=Ready --timeout=300s pod/counter
sleep 3
kubectl logs counter --tail=2
here "$samples/podmigration.yaml" | kubectl apply -f -
kubectl wait --for=jsonpath='{.status.phase}'=Completed --timeout=120s podmigration --all
kubectl get podmigrations -o wide
kubectl get pods -o wide
kubectl logs "$(kubectl get podmigration -o jsonpath='{.items[0].status.restoredPodName}')" --tail=2
