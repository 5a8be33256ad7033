#!/bin/bash
# Takes a snapshot of the counter (counter.yaml), which counts on, and starts a clone of it: snapshot.sh [NODE, node-b].
# With kubectl alone; the plug-ins say "kubectl create podcheckpoint" and "kubectl podmigration restore" instead.
set -euo pipefail
cd "$(dirname "$0")"
node=${1:-node-b}
kubectl apply -f podcheckpoint.yaml
kubectl wait --for=condition=Ready --timeout=180s podcheckpoint/counter-snapshot
kubectl get podcheckpoint counter-snapshot
uri=shared://$(kubectl get podcheckpoint counter-snapshot -o 'jsonpath={.status.podUID}/{.status.checkpointID}')
sed "s#shared://POD-UID/CHECKPOINT-ID#$uri#; s#NODE#$node#" clone.yaml | kubectl apply -f -
# What became of the restore: Restored, or why not.
for _ in $(seq 600); do
  outcome=$(kubectl get pod counter-clone -o 'jsonpath={.metadata.annotations.lpm\.my\.domain/restore-outcome}')
  [ -z "$outcome" ] || break
  sleep 0.1
done
kubectl get pods -o wide
echo "the clone: ${outcome:-nothing heard of it}"
[ "$outcome" = Restored ]
