#!/bin/bash
# The demo: a counter that knows everything in its memory moves from one node to another while it counts.
# Ends with "demo: OK downtime=<ms> total=<s>", or not with 0 when a number was lost, repeated or counted twice.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
name=demo$((RANDOM % 1000))
export POD_CHECKPOINTING_OWNER=$$
cluster() { "$here/cluster.sh" "$@"; }
k() { cluster kubectl "$name" "$@"; }
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { echo "demo: FAILED: $*" >&2; exit 1; }
leave() {
  [ "$1" = 0 ] || cluster tails "$name" >&2 || true
  cluster down "$name" || true
}
begin=$(date +%s)

say "Bringing up a cluster of two nodes: etcd, API server, containerd, crun, CRIU, our operator and agents"
# What does not come up takes itself down; and whose name is taken is not ours to take down.
cluster up "$name"
trap 'leave $?' EXIT
dir=$(cluster dir "$name")
log_of() { cat "$dir/$1"/pods-log/*/counter/*.log 2>/dev/null | sed -n 's/^\S* stdout F //p'; }
counts() { [ "$(log_of "$1" | wc -l)" -ge 20 ]; }
# within SECONDS COMMAND...: until it succeeds
within() {
  local until=$((SECONDS + $1)); shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.1
  done
}
k get nodes -o wide

say "The counter on node-a"
k apply -f "$repo/config/samples/demo/counter.yaml"
k wait --for=condition=Ready --timeout=180s pod/counter
within 120 counts node-a || fail "the counter does not count on node-a"
k get pods -o wide
log_of node-a | tail -n 2

say "kubectl apply: move it to node-b"
cat "$repo/config/samples/demo/podmigration.yaml"
k apply -f "$repo/config/samples/demo/podmigration.yaml"
last=
until=$((SECONDS + 300))
while [ "$SECONDS" -lt "$until" ]; do
  phase=$(k get podmigration counter-to-node-b -o 'jsonpath={.status.phase}: {.status.message}')
  [ "$phase" = "$last" ] || { echo "  $(date +%T.%3N)  $phase"; last=$phase; }
  case $phase in Completed*|Failed*) break ;; esac
  sleep 0.05
done
case $last in Completed*) ;; *) k describe podmigration counter-to-node-b; fail "the migration ended as: $last" ;; esac

say "After"
k get pmig -o wide
k get pods -o wide
within 120 counts node-b || fail "the counter does not count on node-b"
echo "last lines on node-a:"
log_of node-a | tail -n 2
echo "first lines on node-b:"
log_of node-b | head -n 3
k get podmigration counter-to-node-b -o 'jsonpath={range .status.steps[*]}{.name}{"\t"}{.startedAt}{"\t"}{.finishedAt}{"\t"}{.message}{"\n"}{end}'

# The witness: the events of both nodes, in the order in which they were printed, are 1, 2, 3, … without gap or repeat.
{ log_of node-a; log_of node-b; } | sed -n 's/^event=\([0-9]*\) .*unix_ms=\([0-9]*\)$/\2 \1/p' | sort -n |
  awk '$2 != ++n { printf "event %d came where %d was due\n", $2, n; exit 1 } END { if (n < 40) exit 1; printf "%d events on two nodes, none lost, none twice\n", n }' ||
  fail "the counter lost, repeated or doubled a number"
k get pod counter >/dev/null 2>&1 && fail "the source pod is still there"
downtime=$(k get podmigration counter-to-node-b -o 'jsonpath={.status.downtimeMilliseconds}')
trap - EXIT
cluster down "$name"
echo "demo: OK downtime=${downtime}ms total=$(($(date +%s) - begin))s"
