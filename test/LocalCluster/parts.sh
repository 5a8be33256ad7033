# The processes of a cluster: how each is started and killed, and what it has said. Read by cluster.sh, whose names these are.
# shellcheck shell=bash disable=SC2154

# background NAME COMMAND...: a process of the cluster, which `down` ends.
background() {
  local name=$1; shift
  setsid "$@" >"$dir/log/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/run/$name.pid"
}

in_node() { local node=$1; shift; nsenter -t "$(cut -d' ' -f2 "$dir/$node/pid")" -m -n -p -u -i -- "$@"; }

start_etcd() {
  background etcd "$apiserver/etcd" --data-dir "$dir/etcd" --unsafe-no-fsync \
    --listen-client-urls "http://127.0.0.1:$((port + 1))" --advertise-client-urls "http://127.0.0.1:$((port + 1))" \
    --listen-peer-urls "http://127.0.0.1:$((port + 2))" --initial-advertise-peer-urls "http://127.0.0.1:$((port + 2))" \
    --initial-cluster "default=http://127.0.0.1:$((port + 2))"
}

start_apiserver() {
  background apiserver "$apiserver/kube-apiserver" --etcd-servers "http://127.0.0.1:$((port + 1))" --secure-port "$port" \
    --bind-address 0.0.0.0 --tls-cert-file "$dir/pki/apiserver.crt" --tls-private-key-file "$dir/pki/apiserver.key" \
    --client-ca-file "$dir/pki/ca.crt" --token-auth-file "$dir/pki/tokens" \
    --audit-policy-file "$dir/audit-policy.yaml" --audit-log-path "$dir/audit.log"
}

# start_operator [NAME]: a second one beside the first has another name. One that ends is started again, as kubelet would.
# shellcheck disable=SC2120
start_operator() {
  # shellcheck disable=SC2016
  background "${1:-operator}" sh -c 'while :; do "$@"; sleep 0.5; done' sh dotnet "$repo/artifacts/operator/PodCheckpointing.Manager.dll" \
    --Operator:Kubeconfig="$dir/operator.kubeconfig" --Operator:TlsCertificate="$dir/pki/operator.crt" \
    --Operator:TlsKey="$dir/pki/operator.key" --Operator:TlsCa="$dir/pki/ca.crt" --Operator:HealthPort="$(($([ -z "${1:-}" ] && echo 8000 || echo 9000) + index))"
}

# What of kube-controller-manager a test asks for; the others do without it, and are quicker.
start_controllers() {
  background controllers dotnet "$repo/artifacts/controllers/PodCheckpointing.TestControllers.dll" --Kubeconfig="$dir/kubeconfig"
}

start_agent() {
  background "agent-$1" nsenter -t "$(cut -d' ' -f2 "$dir/$1/pid")" -m -n -p -u -i -- \
    /usr/share/dotnet/dotnet "/opt/pod-checkpointing/artifacts/agent/PodCheckpointing.Agent.dll" \
    --Agent:NodeName="$1" --Agent:KubeletCa=/etc/bench/pki/ca.crt \
    --Agent:KubeletClientCertificate=/etc/bench/pki/agent.crt --Agent:KubeletClientKey=/etc/bench/pki/agent.key \
    --Agent:TlsCertificate=/etc/bench/pki/agent.crt --Agent:TlsKey=/etc/bench/pki/agent.key --Agent:TlsClientCa=/etc/bench/pki/ca.crt
}

start_kubelet() {
  background "kubelet-$1" nsenter -t "$(cut -d' ' -f2 "$dir/$1/pid")" -m -n -p -u -i -- \
    /usr/share/dotnet/dotnet "/opt/pod-checkpointing/artifacts/kubelet/PodCheckpointing.TestKubelet.dll" \
    --Kubelet:NodeName="$1" --Kubelet:NodeIP="$2" --Kubelet:Kubeconfig=/etc/bench/kubelet.kubeconfig \
    --Kubelet:CgroupParent="/pc-$name-$1" --Kubelet:TlsCertificate=/etc/bench/pki/kubelet.crt \
    --Kubelet:TlsKey=/etc/bench/pki/kubelet.key --Kubelet:ClientCa=/etc/bench/pki/ca.crt --Kubelet:CheckpointUsers:0=checkpoint-agent \
    --Kubelet:Tokens:0=bench-agent,checkpoint-agent --Kubelet:Tokens:1=bench-reader,reader
}

# kill_part NAME: returns when it is gone with all its threads, so that its port is free for the next.
kill_part() {
  local pid file=$dir/run/$1.pid
  pid=$(cat "$file")
  kill -KILL -- "-$pid"
  await_end "$1" "$pid" || return 1
  # Its id may soon be somebody else's, whom "down" would kill.
  rm "$file"
}

# await_end NAME PID: returns when a part that was killed is gone, and all that it has started: what it was started by goes first.
await_end() {
  for _ in $(seq 6000); do
    if is_gone "$2" && group_is_gone "$2"; then return 0; fi
    sleep 0.02
  done
  echo "$1 of cluster $name (process $2) is there still, 2 minutes after it was killed" >&2
  return 1
}

group_is_gone() {
  local pid
  for pid in $(pgrep -g "$1"); do is_gone "$pid" || return 1; done
}

# is_gone PID: nothing of it is left but, perhaps, what its parent has not buried yet.
is_gone() {
  [ -d "/proc/$1" ] || return 0
  grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null && [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -le 1 ]
}

# What each part has said last: who reads of a failure elsewhere has nothing else to go by.
tails() {
  local file kubectl=("$apiserver/kubectl" --kubeconfig "$dir/kubeconfig" --request-timeout=5s)
  if [ -e "$dir/kubeconfig" ]; then
    printf '== pods, migrations and checkpoints\n'
    timeout 15 "${kubectl[@]}" get nodes,pods,podmigrations,podcheckpoints -A -o wide 2>&1 | cut -c1-300 | tail -n 40 || true
    printf '== events\n'
    timeout 15 "${kubectl[@]}" get events -A --sort-by=.metadata.creationTimestamp 2>&1 | cut -c1-400 | tail -n 30 || true
  fi
  for file in "$dir"/log/*.log "$dir"/node-?/log/init.log "$dir"/node-?/etc/containerd.log "$dir"/node-?/pods-log/"$system"_*/*/*.log; do
    [ -s "$file" ] || continue
    printf '== %s\n' "${file#"$dir/"}"
    # Whoever reads the test run's own words finds none of them at the beginning of a line.
    tail -n 30 "$file" | cut -c1-400 | sed 's/^/| /'
  done
}
