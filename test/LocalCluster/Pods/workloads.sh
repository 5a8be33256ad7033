# The operator and the agents as pods of a cluster, from their images. Read by cluster.sh, whose names these are.
# shellcheck shell=bash disable=SC2154

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
