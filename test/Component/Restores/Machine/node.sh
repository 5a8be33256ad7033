#!/bin/bash
# Runs on the machine of image.sh: makes a node of it, as config/containerd says, whose kubelet and agent the test starts. Who connects
# to port 7000 has a shell that runs what is sent. /job/ready says that it is one; ends when /job/end is there.
set -euo pipefail
cd /job
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
systemd-run --quiet --unit=shell busybox nc -ll -p 7000 -e /bin/bash
sysctl -qw net.ipv4.ip_forward=1
install -D -m 755 -t /usr/libexec/pod-checkpointing checkpoint-restore checkpoint-fence
# The agent of a node is a container, which has a control group name space of its own.
cat >/usr/local/bin/agent <<'SH'
#!/bin/sh
exec unshare --cgroup -- /job/dotnet/dotnet /job/agent/PodCheckpointing.Agent.dll "$@"
SH
chmod 755 /usr/local/bin/agent
# The last is a volume of the agent's pod, which kubelet makes.
mkdir -p /etc/containerd /etc/cni/net.d /opt/cni /mnt/checkpoints /etc/criu
ln -sfn /usr/lib/cni /opt/cni/bin
cat >/etc/cni/net.d/10-machine.conflist <<'CNI'
{"cniVersion":"1.0.0","name":"machine","plugins":[{"type":"ptp","ipMasq":false,
"ipam":{"type":"host-local","ranges":[[{"subnet":"10.22.0.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},{"type":"loopback"}]}
CNI
bash base-spec >/etc/containerd/base-spec.json
cat containerd.toml pod-checkpointing.toml >/etc/containerd/config.toml
systemctl start containerd
for image in images/*.tar; do ctr -n k8s.io images import --digests=false "$image" >/dev/null; done
touch ready
until [ -e /job/end ]; do sleep 0.5; done
