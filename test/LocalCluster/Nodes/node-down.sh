#!/bin/bash
# Takes one node down, and everything that it started: node-down.sh CLUSTER NODE INDEX DIR.
set -uo pipefail
cluster=$1 node=$2 index=$3 dir=$4
cgroup=pc-$cluster-$node
# A frozen process cannot die.
find /sys/fs/cgroup/freezer/"$cgroup" -depth -name freezer.state 2>/dev/null | while read -r state; do echo THAWED >"$state"; done
if read -r outer init 2>/dev/null <"$dir/pid"; then
  kill -KILL "$init" "$outer" 2>/dev/null
  for _ in $(seq 1200); do [ -d "/proc/$init" ] || break; sleep 0.05; done
fi
for controller in /sys/fs/cgroup/*; do
  [ -d "$controller/$cgroup" ] || continue
  for _ in $(seq 1200); do
    find "$controller/$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
    [ -d "$controller/$cgroup" ] || break
    sleep 0.05
  done
  [ -d "$controller/$cgroup" ] && echo "cgroup $controller/$cgroup is left" >&2
done
ip link delete "v$cluster-$index" 2>/dev/null
ip netns delete "pc-$cluster-$node" 2>/dev/null
exit 0
