#!/bin/bash
# Brings one node up and returns when its containerd answers. Its init's pid is left in $NODE_DIR/pid.
# node-up.sh CLUSTER NODE INDEX SUBNET TREE IMAGES STORE DIR DOTNET PROGRAMS: SUBNET is the cluster's "10.x".
set -euo pipefail
cluster=$1 node=$2 index=$3 subnet=$4
export NODE_NAME=$node NODE_TREE=$5 NODE_DIR=$8 NODE_STORE=$7 NODE_DOTNET=$9 NODE_PROGRAMS=${10}
images=$6
here=$(cd "$(dirname "$0")" && pwd)
netns=pc-$cluster-$node
address=$subnet.0.$((10 + index))
export NODE_ROOT=$NODE_DIR/root
mkdir -p "$NODE_DIR"/{root,upper,work,containerd,kubelet,pods-log,state,etc,log}

# Network: a name space on the cluster's bridge; the pods of this node live in SUBNET.(10+index).0/24 behind it, routed as
# Calico routes them. SUBNET.50.0/24 is of no node: a pod that asks for an address there (Nodes/bench-ipam) has it wherever
# it is, and its node answers for it on the bridge.
ip netns add "$netns"
ip link add "v$cluster-$index" type veth peer name eth0 netns "$netns"
ip link set "v$cluster-$index" master "pc$cluster" up
ip -n "$netns" address add "$address/24" dev eth0
ip -n "$netns" link set eth0 up
ip -n "$netns" link set lo up
ip -n "$netns" route add default via "$subnet.0.1"
for other in 1 2 3 4; do
  [ "$other" = "$index" ] || ip -n "$netns" route add "$subnet.$((10 + other)).0/24" via "$subnet.0.$((10 + other))"
done
ip -n "$netns" route add "$subnet.50.0/24" dev eth0
ip netns exec "$netns" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.eth0.proxy_arp=1 net.ipv4.neigh.eth0.proxy_delay=0

# Not `ip netns exec`, which would mount a fresh /sys and hide the cgroups.
nsenter --net="/run/netns/$netns" unshare --mount --pid --uts --ipc --fork --kill-child "$here/node-init.sh" \
  >"$NODE_DIR/log/init.log" 2>&1 </dev/null &
outer=$!

# fail MESSAGE LOG: the log goes with the cluster's folder, and the message stays.
fail() {
  tail -n 40 "$2" >&2
  echo "$node: $1; its log is above" >&2
  exit 1
}
until=$((SECONDS + 120)) init=
while :; do
  init=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null || true)
  init=${init%% *}
  [ -n "$init" ] && [ "$(cat "/proc/$init/comm" 2>/dev/null)" = tini ] && break
  kill -0 "$outer" 2>/dev/null || fail "what was to become the node's init ended" "$NODE_DIR/log/init.log"
  if [ "$SECONDS" -ge "$until" ]; then
    kill -KILL "$outer"
    fail "the node's init did not start in 120 s" "$NODE_DIR/log/init.log"
  fi
  sleep 0.05
done
echo "$outer $init" >"$NODE_DIR/pid"
in_node() { nsenter -t "$init" -m -n -p -u -i -- "$@"; }

in_node mkdir -p /etc/containerd /etc/cni/net.d /etc/criu /usr/libexec/pod-checkpointing /opt/cni
in_node ln -sfn /usr/lib/cni /opt/cni/bin
# The node's own CRIU options; the agent adds to them for one dump and puts them back.
printf 'manage-cgroups=ignore\n' | in_node sh -c 'cat >/etc/criu/crun.conf'
in_node sh -c 'cat >/etc/cni/net.d/10-bench.conflist' <<CNI
{"cniVersion":"1.0.0","name":"bench","plugins":[{"type":"ptp","ipMasq":false,"capabilities":{"io.kubernetes.cri.pod-annotations":true},
"ipam":{"type":"bench-ipam","ranges":[[{"subnet":"$subnet.$((10 + index)).0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},{"type":"loopback"}]}
CNI
in_node sh -c 'cat >/usr/lib/cni/bench-ipam; chmod 755 /usr/lib/cni/bench-ipam' <"$here/bench-ipam"
repo=$(cd "$here/../../.." && pwd)
in_node sh -c 'cat >/usr/libexec/pod-checkpointing/checkpoint-restore; chmod 755 /usr/libexec/pod-checkpointing/checkpoint-restore' \
  <"$repo/agent/Restores/Handler/checkpoint-restore"
in_node sh -c 'cat >/usr/libexec/pod-checkpointing/checkpoint-fence; chmod 755 /usr/libexec/pod-checkpointing/checkpoint-fence' \
  <"$repo/agent/Fences/Hook/checkpoint-fence"
in_node sh -c 'cat >/etc/containerd/base-spec; chmod 755 /etc/containerd/base-spec' <"$repo/config/containerd/base-spec"
in_node sh -c '/etc/containerd/base-spec >/etc/containerd/base-spec.json'
# No systemd runs here, which would make the cgroups.
sed 's/SystemdCgroup = true/SystemdCgroup = false/' "$here/containerd.toml" "$repo/config/containerd/pod-checkpointing.toml" |
  in_node sh -c 'cat >/etc/containerd/config.toml'
in_node sh -c 'exec containerd >/etc/bench/containerd.log 2>&1' </dev/null >/dev/null 2>&1 &
until=$((SECONDS + 120))
until in_node ctr --connect-timeout 1s version >/dev/null 2>&1; do
  [ "$SECONDS" -lt "$until" ] || fail "containerd did not answer in 120 s" "$NODE_DIR/etc/containerd.log"
  sleep 0.05
done
for image in "$images"/*.tar; do
  in_node ctr -n k8s.io images import --digests=false - <"$image" >>"$NODE_DIR/log/images.log" 2>&1 ||
    fail "$(basename "$image") could not be imported" "$NODE_DIR/log/images.log"
done
