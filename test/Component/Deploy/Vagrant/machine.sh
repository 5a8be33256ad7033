#!/bin/bash
# Runs the steps of one machine of the Vagrantfile, and then runs them again, in a tree of tree.sh and in namespaces of its own:
#   ruby plan.rb VAGRANTFILE | machine.sh MACHINE TREE PARTS SHARED OUT
# PARTS: where the bench's API server, etcd and kubectl are. SHARED: the folder that the machines have as /vagrant.
# Leaves in OUT: log, files.1 and files.2 (what the files of the machine were after each run), facts (what became of it).
set -euo pipefail
if [ -z "${IN_NAMESPACES:-}" ]; then
  IN_NAMESPACES=1 exec unshare --mount --net --uts --ipc --pid --fork --kill-child "$0" "$@"
fi
machine=$1 tree=$2 parts=$3 shared=$4 out=$5
root=$out/root
mkdir -p "$root" "$out/upper" "$out/work" "$out/containers"
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$out/upper,workdir=$out/work" "$root"
mkdir -p "$root/vagrant" "$root/srv/parts" "$root/var/lib/containers"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount --bind "$shared" "$root/vagrant"
mount --bind "$parts" "$root/srv/parts"
# An overlay cannot be the lower layer of the next.
mount --bind "$out/containers" "$root/var/lib/containers"
in_machine() { chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }

steps=() words=()
while read -r line; do
  case $line in "$machine "*) steps+=("$line") ;; esac
done
[ ${#steps[@]} -gt 0 ]
eval "words=(${steps[0]})"
for word in "${words[@]:3}"; do case $word in NODE_IP=*) address=${word#*=} ;; esac; done

hostname "$machine"
# As Vagrant leaves them.
printf '127.0.0.1 localhost\n127.0.2.1 %s\n127.0.0.1 pkgs.k8s.io download.opensuse.org\n' "$machine" >"$root/etc/hosts"
printf '/swap.img none swap sw 0 0\n' >"$root/etc/fstab"
# No init runs here: units are enabled, and none is started.
cat >"$root/usr/local/sbin/systemctl" <<'SH'
#!/bin/bash
# What CRI-O would find of the programs that it is told of: it drops a runtime whose program is missing when it starts.
case $* in
  "restart crio")
    { sed -n 's/^runtime_path = "\(.*\)"/\1/p' /etc/crio/crio.conf.d/*.conf
      sed -n 's/.*"path": "\([^"]*\)".*/\1/p' /etc/containers/oci/hooks.d/*.json; } | while read -r program; do
      if [ -x "$program" ]; then echo "crio has: $program"; else echo "crio lacks: $program"; fi
    done >>/run/crio-programs ;;
esac
exec /usr/bin/systemctl "${@/#--now/--quiet}"
SH
chmod 755 "$root/usr/local/sbin/systemctl"
# A name space has what the machine around it has, which may forward; a new machine does not.
echo 0 >/proc/sys/net/ipv4/ip_forward
ip link set lo up
ip link add eth1 type veth peer name vagrant
ip link set vagrant up
ip link set eth1 up
ip address add "$address/24" dev eth1
python3 - "$root/srv" >"$out/www.log" 2>&1 <<'PY' &
import functools, http.server, ssl, sys
folder = sys.argv[1]
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder + "/www")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/www.crt", folder + "/www.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PY
for _ in $(seq 2400); do
  if (: </dev/tcp/127.0.0.1/443) 2>/dev/null; then break; fi
  sleep 0.05
done

# What the controllers of a whole cluster say of a Deployment and a DaemonSet when their pods are ready.
all_ready='{"status":{"observedGeneration":1,"replicas":2,"updatedReplicas":2,"availableReplicas":2,"readyReplicas":2}}'
each_ready='{"status":{"observedGeneration":1,"desiredNumberScheduled":1,"currentNumberScheduled":1,"updatedNumberScheduled":1,"numberAvailable":1,"numberReady":1,"numberMisscheduled":0}}'
in_machine KUBECONFIG=/etc/kubernetes/admin.conf sh -c 'patch() {
    tries=2400
    until kubectl -n pod-checkpointing-system patch "$1" --subresource=status --type=merge -p "$2"; do
      tries=$((tries - 1)) && [ $tries -gt 0 ] && sleep 0.5 || return 1
    done
  }
  patch deployment/pod-checkpointing-operator "$1" && patch daemonset/checkpoint-agent "$2"' sh "$all_ready" "$each_ready" \
  >"$out/controllers.log" 2>&1 &

for run in 1 2; do
  # Kubernetes has brought out a patch meanwhile.
  [ "$run" = 1 ] || cp -r "$root/srv/newer/." "$root/srv/www/core:/stable:/"v*/deb/
  for line in "${steps[@]}"; do
    eval "words=($line)"
    echo "== $run ${words[1]}" | tee -a "$out/log"
    in_machine "${words[@]:3}" bash "/vagrant/${words[2]}" >>"$out/log" 2>&1 || { tail -n 30 "$out/log"; exit 1; }
  done
  in_machine sh -c 'for folder in /etc /usr/local /srv/checkpoints; do
      [ ! -e $folder ] || find $folder \( -type f -exec sha256sum {} + \) -o \( -type l -printf "%l %p\n" \)
    done' | sort -k 2 >"$out/files.$run"
done

{
  echo "fstab: $(cat "$root/etc/fstab")"
  echo "forwarding: $(in_machine /sbin/sysctl -n net.ipv4.ip_forward)"
  sed -n 's/^ExecStart=//p' "$root/etc/systemd/system/pod-routes.service" | in_machine sh -e
  in_machine ip -4 route | sed 's/ *$//; s/^/route: /'
  echo "address: $(in_machine getent ahostsv4 "$machine" | head -n 1 | tr -s ' ')"
  in_machine criu --version | sed -n 's/^Version: /criu: /p'
  in_machine crun --version | sed -n '1s/^/crun: /p; s/^+.*CRIU.*/crun has CRIU/p'
  echo "networks: $(cd "$root/etc/cni/net.d" && echo *)"
  python3 -c 'import json, sys; print("pods:", json.load(open(sys.argv[1]))["plugins"][0]["ipam"]["ranges"][0][0]["subnet"])' \
    "$root"/etc/cni/net.d/10-pods.conflist
  for unit in crio kubelet pod-routes; do echo "enabled: $unit $(in_machine systemctl is-enabled $unit)"; done
  cat "$root/run/crio-programs"
  echo "handler's crun: $(in_machine readlink /usr/libexec/crio/crun)"
  echo "exports: $(in_machine exportfs -s 2>/dev/null | tr '\n' ' ')"
  for image in pod-checkpointing-operator checkpoint-agent; do
    echo "image: $(in_machine skopeo inspect --format '{{.Name}}' "containers-storage:localhost/$image:0.1.0")"
  done
  if [ -e "$root/etc/kubernetes/admin.conf" ]; then
    in_machine KUBECONFIG=/home/vagrant/.kube/config kubectl get deployments,daemonsets,crd,secrets -A -o name | sed 's/^/object: /'
    in_machine KUBECONFIG=/home/vagrant/.kube/config kubectl get pv checkpoint-repo -o 'jsonpath=volume: {.spec.nfs.server}:{.spec.nfs.path}{"\n"}'
    in_machine KUBECONFIG=/home/vagrant/.kube/config kubectl get node -o 'jsonpath=taints: {.items[*].spec.taints}{"\n"}'
  fi
  if [ -e "$root/etc/kubernetes/kubelet.conf" ]; then sed 's/^/joined: /' "$root/etc/kubernetes/kubelet.conf"; fi
} >"$out/facts"
