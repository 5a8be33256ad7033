#!/bin/bash
# A two-node cluster on this machine, of real parts: etcd, an API server, and per node containerd, crun and CRIU in name
# spaces of its own, with a test kubelet and our agent; and our operator.
#   cluster.sh install            makes what is missing (cached in POD_CHECKPOINTING_CACHE, /var/cache/pod-checkpointing)
#   cluster.sh up NAME            brings the cluster up; its files are in /var/tmp/pod-checkpointing/NAME
#                                 with POD_CHECKPOINTING_CONTROLLERS=1 also controllers of Deployments, ReplicaSets and
#                                 EndpointSlices, of which it has none else
#   cluster.sh pods NAME          brings the cluster up with operator and agents as pods, from the images, by config/default
#   cluster.sh bare NAME          brings the cluster up without anything of ours but the images on its nodes: what users install
#                                 us on. start NAME workloads then makes the pods of DaemonSet and Deployment, stop NAME removes them
#   cluster.sh nodes NAME         brings only its two nodes up, with their containerd: no API server, no kubelet, none of ours
#   cluster.sh start NAME PART    starts a killed part again: etcd, apiserver, operator, agent NODE, controllers; kill NAME PART kills it
#   cluster.sh pause NAME PART    has a part (also kubelet-NODE) stand still; resume NAME PART has it go on
#   cluster.sh node NAME NODE ... runs a command on a node
#   cluster.sh tails NAME         prints what each of its parts has said last, and what there is in it
#   cluster.sh down NAME          takes it down and leaves nothing
#   cluster.sh kubectl NAME ...   kubectl for it
#   cluster.sh user NAME ...      runs a command with what a user has in PATH: kubectl and the plug-ins of "make plugins"
#   cluster.sh sweep              takes down what was left by owners that died (POD_CHECKPOINTING_OWNER, a process id, at
#                                 up); every up does
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=paths.sh
. "$here/paths.sh"
# shellcheck source=parts.sh
. "$here/parts.sh"
# shellcheck source=Pods/workloads.sh
. "$here/Pods/workloads.sh"

# certificate NAME SUBJECT SAN: signed by the cluster's authority.
certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/pki/$1.key" -out "$dir/pki/$1.csr" -subj "$2" 2>/dev/null
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3" >"$dir/pki/$1.ext"
  openssl x509 -req -in "$dir/pki/$1.csr" -CA "$dir/pki/ca.crt" -CAkey "$dir/pki/ca.key" -CAcreateserial \
    -out "$dir/pki/$1.crt" -days 30 -extfile "$dir/pki/$1.ext" 2>/dev/null
}

# kubeconfig NAME SERVER PKI: a kubeconfig for a certificate, whose files are found below PKI.
kubeconfig() {
  cat <<CONFIG
apiVersion: v1
kind: Config
clusters: [{name: bench, cluster: {server: "$2", certificate-authority: $3/ca.crt}}]
users: [{name: $1, user: {client-certificate: $3/$1.crt, client-key: $3/$1.key}}]
contexts: [{name: bench, context: {cluster: bench, user: $1}}]
current-context: bench
CONFIG
}

# wait_for WHAT COMMAND...: patience is for the slowest machine; a quick one does not notice.
wait_for() {
  local what=$1 until=$((SECONDS + 180)) said; shift
  until said=$("$@" 2>&1); do
    [ "$SECONDS" -lt "$until" ] || { echo "$what did not come up in 180 s: $said" >&2; return 1; }
    sleep 0.05
  done
}

# What came up in part only is shown and taken down: nobody else would, and the next one wants its name and its network.
give_up() {
  local code=$?
  trap - EXIT
  [ "$code" -ne 0 ] || return 0
  echo "cluster $name did not come up; its parts said last:" >&2
  tails >&2 || true
  echo "taking cluster $name down" >&2
  down >&2 || true
  exit "$code"
}

# started PID: when a process began, which with its id tells it from all others.
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20 || true; }

sweep() {
  mkdir -p "$runs"
  (
    flock 7
    for owner in "$runs"/*/owner; do
      read -r pid since 2>/dev/null <"$owner" || continue
      [ "$(started "$pid")" != "$since" ] || continue
      left=$(basename "$(dirname "$owner")")
      echo "cluster $left was left by process $pid, which is gone: taking it down" >&2
      "$0" down "$left" || true
    done
  ) 7>"$runs/.sweep"
}

# The cgroup v2 tree beside v1, of which nothing here makes use: CRIU must not have grown it.
unused_cgroups() { find /sys/fs/cgroup/unified -type d 2>/dev/null | wc -l; }

# The two nodes on their bridge.
up_nodes() {
  sweep
  [ ! -e "$dir" ] || { echo "cluster $name is up (or was left over): cluster.sh down $name" >&2; exit 1; }
  [ -e "$repo/artifacts/operator" ] || { echo "the operator and the agent are not built: make build" >&2; exit 1; }
  [ "${#name}" -le 8 ] || { echo "cluster name \"$name\" is longer than 8 characters, which its network devices cannot be" >&2; exit 1; }
  trap give_up EXIT
  mkdir -p "$dir"/{pki,log,run,store,etcd}
  if [ -n "${POD_CHECKPOINTING_OWNER:-}" ]; then
    echo "$POD_CHECKPOINTING_OWNER $(started "$POD_CHECKPOINTING_OWNER")" >"$dir/owner"
  fi
  unused_cgroups >"$dir/unused-cgroups"
  # The first subnet that no other cluster of this machine has.
  exec 7>"$runs/.index"
  flock 7
  local taken
  taken=$(ip -4 address)
  for index in $(seq 0 99); do [[ $taken == *" 10.$((128 + index)).0.1/24 "* ]] || break; done
  subnet=10.$((128 + index))
  echo "$index" >"$dir/index"
  port=$((16500 + index * 4))
  ip link add "pc$name" type bridge
  ip address add "$subnet.0.1/24" dev "pc$name"
  exec 7>&-
  ip link set "pc$name" up
  ip route add "$subnet.50.0/24" dev "pc$name"
  local number=0 node
  for node in node-a node-b; do
    number=$((number + 1))
    "$here/Nodes/node-up.sh" "$name" "$node" "$number" "$subnet" "$tree" "$images" "$dir/store" "$dir/$node" \
      "$(dirname "$(readlink -f "$(command -v dotnet)")")" "$repo"
    # Tests are clients of pods, and the operator's pods call the API server.
    ip route add "$subnet.$((10 + number)).0/24" via "$subnet.0.$((10 + number))"
  done
}

up() {
  up_nodes
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/pki/ca.key" -out "$dir/pki/ca.crt" \
    -subj /CN=bench -days 30 2>/dev/null
  certificate apiserver /CN=apiserver "IP:127.0.0.1,IP:$subnet.0.1"
  certificate admin /O=system:masters/CN=admin DNS:admin
  certificate operator /CN=operator DNS:pod-checkpointing-operator
  certificate agent /CN=checkpoint-agent DNS:checkpoint-agent
  # As kubelet makes one for itself: its node's name, and no address.
  certificate kubelet /CN=kubelet DNS:node-a,DNS:node-b
  # The operator is its ServiceAccount, by whose name config/policies knows it; a certificate's name could not be so long.
  local account
  for account in pod-checkpointing-operator checkpoint-agent; do
    printf 'bench-%s,system:serviceaccount:pod-checkpointing-system:%s,%s,"system:serviceaccounts"\n' "${account##*-}" "$account" "$account"
  done >"$dir/pki/tokens"
  printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n' >"$dir/audit-policy.yaml"
  server=https://$subnet.0.1:$port
  kubeconfig admin "$server" "$dir/pki" >"$dir/kubeconfig"
  kubeconfig operator "$server" "$dir/pki" | sed 's/user: {client-certificate.*}}/user: {token: bench-operator}}/' >"$dir/operator.kubeconfig"
  start_etcd
  start_apiserver
  local number=0 node
  for node in node-a node-b; do
    cp -r "$dir/pki" "$dir/$node/etc/"
    kubeconfig kubelet "$server" /etc/bench/pki >"$dir/$node/etc/kubelet.kubeconfig"
  done
  wait_for "the API server" "$apiserver/kubectl" --kubeconfig "$dir/kubeconfig" get --raw /readyz
  if [ "$1" = processes ]; then
    "$apiserver/kubectl" --kubeconfig "$dir/kubeconfig" apply --server-side -k "$repo/config/crd" >/dev/null
    # It fails at once, however long it may take, where the server has not yet written a condition.
    wait_for "the definitions" "$apiserver/kubectl" --kubeconfig "$dir/kubeconfig" wait --for=condition=Established --timeout=10s crd --all
    "$apiserver/kubectl" --kubeconfig "$dir/kubeconfig" apply --server-side -k "$repo/config/policies" >/dev/null
    "$apiserver/kubectl" --kubeconfig "$dir/kubeconfig" apply --server-side -f "$repo/config/agent/runtimeclass.yaml" >/dev/null
  fi
  number=0
  for node in node-a node-b; do
    number=$((number + 1))
    start_kubelet "$node" "$subnet.0.$((10 + number))"
  done
  for node in node-a node-b; do
    wait_for "node $node" sh -c "'$apiserver/kubectl' --kubeconfig '$dir/kubeconfig' get node $node | grep -w Ready"
  done
  if [ -n "${POD_CHECKPOINTING_CONTROLLERS:-}" ]; then start_controllers; fi
  case $1 in
    processes) start_processes ;;
    bare) prepare_nodes ;;
    pods) prepare_nodes; start_pods ;;
  esac
}

# The first container of each node: by it the fence hook shows the agent that the runtime runs it. Where the agent is a pod,
# that is its own.
run_first_containers() {
  local kubectl=("$apiserver/kubectl" --kubeconfig "$dir/kubeconfig") node
  for node in node-a node-b; do
    printf '%s\n' "{apiVersion: v1, kind: Pod, metadata: {name: first-$node, namespace: default}, spec: {nodeName: $node, restartPolicy: Never," \
      'terminationGracePeriodSeconds: 0, containers: [{name: c, image: "localhost/busybox:1", command: ["true"]}]}}' ---
  done | "${kubectl[@]}" create -f - >/dev/null
  "${kubectl[@]}" wait --for='jsonpath={.status.phase}=Succeeded' --timeout=180s pod/first-node-a pod/first-node-b >/dev/null || {
    "${kubectl[@]}" get pods -o yaml >&2
    return 1
  }
  "${kubectl[@]}" delete --timeout=120s pod/first-node-a pod/first-node-b >/dev/null
}

start_processes() {
  local node
  for node in node-a node-b; do start_agent "$node"; done
  # shellcheck disable=SC2119
  start_operator
  run_first_containers
  for node in node-a node-b; do
    wait_for "the agent of $node" in_node "$node" busybox wget -q -O - http://127.0.0.1:50052/readyz
  done
}

down() {
  local pid file
  for file in "$dir"/run/*.pid; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    kill -KILL -- "-$pid" 2>/dev/null || true
  done
  "$here/Nodes/node-down.sh" "$name" node-a 1 "$dir/node-a"
  "$here/Nodes/node-down.sh" "$name" node-b 2 "$dir/node-b"
  # Who still writes would put files into folders that are being removed.
  for file in "$dir"/run/*.pid; do
    [ ! -e "$file" ] || await_end "$(basename "$file" .pid)" "$(cat "$file")" || true
  done
  ip link delete "pc$name" 2>/dev/null || true
  local left before
  before=$(cat "$dir/unused-cgroups" 2>/dev/null || echo 0)
  rm -rf --one-file-system "$dir"
  if [ "$before" = 1 ] && [ "$(unused_cgroups)" != 1 ]; then
    echo "the cgroup v2 tree has grown: $(find /sys/fs/cgroup/unified -mindepth 1 -maxdepth 1 -type d | head -n 3)" >&2
    return 1
  fi
  left=$(find /sys/fs/cgroup -maxdepth 2 -name "pc-$name-*" 2>/dev/null || true)
  [ -z "$left" ] || { echo "left over: $left" >&2; return 1; }
}

command=${1:-}
name=${2:-}
dir=$runs/$name
index=$(cat "$dir/index" 2>/dev/null || true)
port=$((16500 + ${index:-0} * 4))
case $command in
  install) exec "$here/install.sh" ;;
  up) "$here/install.sh"; up processes ;;
  pods) "$here/install.sh"; up pods ;;
  bare) "$here/install.sh"; up bare ;;
  nodes) "$here/install.sh"; up_nodes ;;
  sweep) sweep ;;
  tails) tails ;;
  down) down ;;
  kubectl) shift 2; exec "$apiserver/kubectl" --kubeconfig "$dir/kubeconfig" "$@" ;;
  user) shift 2; KUBECONFIG=$dir/kubeconfig PATH=$repo/artifacts/plugins:$apiserver:$PATH exec "$@" ;;
  start) shift 2; "start_$1" "${@:2}" ;;
  stop) stop_workloads ;;
  kill) kill_part "$3" ;;
  pause) kill -STOP -- "-$(cat "$dir/run/$3.pid")" ;;
  resume) kill -CONT -- "-$(cat "$dir/run/$3.pid")" ;;
  node) shift 2; in_node "$@" ;;
  dir) echo "$dir" ;;
  *) sed -n '2,21s/^# \?//p' "$0"; exit 2 ;;
esac
