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
repo=$(cd "$here/../.." && pwd)
cache=${POD_CHECKPOINTING_CACHE:-/var/cache/pod-checkpointing}
hash_of() { cat "$@" | sha256sum | cut -c1-12; }
apiserver=${KUBEBUILDER_ASSETS:-$cache/apiserver-$(hash_of "$here"/ApiServer/*.go "$here/ApiServer/install.sh" "$here/debian.sh")}
tree=$cache/node-tree-$(hash_of "$here/Nodes/install.sh" "$here/debian.sh")
images=$cache/images-$(hash_of "$here/Images/build.sh" "$here/Nodes/install.sh")

# What no package brings: said by name here, instead of by a node that does not come up.
check_machine() {
  local missing=() controller
  [ "$(id -u)" = 0 ] || { echo "the bench makes name spaces and mounts: run it as root" >&2; exit 1; }
  for controller in cpu cpuset devices freezer memory pids; do
    [ -d "/sys/fs/cgroup/$controller" ] || missing+=("$controller")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    echo "the bench's nodes need cgroup v1, and /sys/fs/cgroup has no ${missing[*]}: boot with" \
      "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1, or mount each as" \
      "mount -t cgroup -o ${missing[0]} cgroup /sys/fs/cgroup/${missing[0]}" >&2
    exit 1
  fi
  grep -qw overlay /proc/filesystems || modprobe -q overlay || {
    echo "the bench's nodes stand on overlay file systems, which this kernel has not: load the module overlay" >&2
    exit 1
  }
}

# check_space FOLDER MEGABYTES
check_space() {
  local free
  free=$(df --output=avail -m "$1" | tail -n 1)
  [ "$free" -ge "$2" ] || { echo "$1 has $((free)) MB free, and $2 MB are needed" >&2; exit 1; }
}

install() {
  check_machine
  mkdir -p "$cache" "$runs"
  check_space "$runs" 2000
  local missing=()
  for pair in debootstrap:debootstrap ip:iproute2 openssl:openssl python3:python3 nsenter:util-linux sysctl:procps shellcheck:shellcheck; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  # What stands needs no lock, which the making of another version may hold for minutes.
  if [ ${#missing[@]} = 0 ] && [ -x "$apiserver/kube-apiserver" ] && [ -x "$apiserver/kubectl" ] && [ -e "$tree/.complete" ] && [ -e "$images/.complete" ]; then
    return
  fi
  check_space "$cache" 5000
  exec 8>"$cache/.lock"
  flock 8
  if [ ${#missing[@]} -gt 0 ]; then
    apt-get -q update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}" >/dev/null
  fi
  "$here/ApiServer/install.sh" "$apiserver"
  "$here/Nodes/install.sh" "$tree"
  "$here/Images/build.sh" "$tree" "$images"
  flock -u 8
}

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
  for index in $(seq 0 99); do ip -4 address | grep -q " 10.$((128 + index)).0.1/24" || break; done
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
    "$apiserver/kubectl" --kubeconfig "$dir/kubeconfig" wait --for=condition=Established --timeout=120s crd --all >/dev/null
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

# What the nodes of a cluster that is to install us have: our images, and no handler, which comes with the agent.
prepare_nodes() {
  local node part
  "$repo/config/images/build.sh" >"$dir/log/images.log" 2>&1 || { tail -20 "$dir/log/images.log" >&2; return 1; }
  for node in node-a node-b; do
    for part in operator agent; do
      in_node "$node" ctr -n k8s.io images import --digests=false - <"$repo/artifacts/images/$part.tar" >>"$dir/log/images.log" 2>&1 || {
        echo "image $part could not be imported on $node" >&2
        return 1
      }
    done
    in_node "$node" rm /usr/libexec/pod-checkpointing/checkpoint-restore
    in_node "$node" sh -c 'mkdir -p /var/lib/kubelet/pki && cp /etc/bench/pki/ca.crt /var/lib/kubelet/pki/kubelet.crt'
  done
}

# The way of the README, as far as the bench has what a whole cluster has; Pods/ holds the rest.
start_pods() {
  local kubectl=("$apiserver/kubectl" --kubeconfig "$dir/kubeconfig")
  "${kubectl[@]}" create namespace "$system" >/dev/null
  "$repo/config/certificates.sh" | "${kubectl[@]}" apply -f - >/dev/null
  "${kubectl[@]}" apply --server-side --force-conflicts -k "$here/Pods" >/dev/null
  start_workloads
}

# What the controllers of a whole cluster do for our DaemonSet and our Deployment: their pods, tokens for them, and a status.
start_workloads() {
  local kubectl=("$apiserver/kubectl" --kubeconfig "$dir/kubeconfig" -n "$system") account kind counts generation
  for account in pod-checkpointing-operator checkpoint-agent; do
    "${kubectl[@]}" create secret generic "$account-token" --dry-run=client -o yaml --from-literal=token="bench-${account##*-}" \
      --from-literal=namespace="$system" --from-file=ca.crt="$dir/pki/ca.crt" | "${kubectl[@]}" apply -f - >/dev/null
  done
  "${kubectl[@]}" get daemonsets,deployments -o json |
    python3 "$here/Pods/controllers.py" "10.$((128 + index)).0.1" "$port" node-a node-b | "${kubectl[@]}" apply -f - >/dev/null
  "${kubectl[@]}" wait --for=condition=Ready --timeout=300s pod --all >/dev/null || {
    "${kubectl[@]}" get pods -o yaml >&2
    return 1
  }
  for kind in daemonset/checkpoint-agent deployment/pod-checkpointing-operator; do
    generation=$("${kubectl[@]}" get "$kind" -o 'jsonpath={.metadata.generation}')
    case $kind in
      daemonset/*) counts='"desiredNumberScheduled":2,"currentNumberScheduled":2,"updatedNumberScheduled":2,"numberAvailable":2,"numberReady":2,"numberMisscheduled":0' ;;
      *) counts='"replicas":2,"updatedReplicas":2,"availableReplicas":2,"readyReplicas":2' ;;
    esac
    "${kubectl[@]}" patch "$kind" --subresource=status --type=merge -p "{\"status\":{\"observedGeneration\":$generation,$counts}}" >/dev/null
  done
}

# The garbage collector of a whole cluster: pods whose DaemonSet or Deployment is gone.
stop_workloads() {
  "$apiserver/kubectl" --kubeconfig "$dir/kubeconfig" -n "$system" delete pod --all --timeout=120s >/dev/null
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

# kill_part NAME: returns when it is gone with all its threads, so that its port is free for the next.
kill_part() {
  local pid
  pid=$(cat "$dir/run/$1.pid")
  kill -KILL -- "-$pid"
  for _ in $(seq 250); do
    [ -d "/proc/$pid" ] || return 0
    if grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null && [ "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -le 1 ]; then return 0; fi
    sleep 0.02
  done
}

command=${1:-}
name=${2:-}
system=pod-checkpointing-system
runs=${POD_CHECKPOINTING_RUN:-/var/tmp/pod-checkpointing}
dir=$runs/$name
index=$(cat "$dir/index" 2>/dev/null || true)
port=$((16500 + ${index:-0} * 4))
case $command in
  install) install ;;
  up) install; up processes ;;
  pods) install; up pods ;;
  bare) install; up bare ;;
  nodes) install; up_nodes ;;
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
