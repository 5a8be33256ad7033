#!/bin/bash
# The shared volume: the master serves it by NFS, every node can mount it.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get -q -y install nfs-common
[ "$NODE_IP" = "$MASTER_IP" ] || exit 0
apt-get -q -y install nfs-kernel-server
# A checkpoint holds a pod's memory: nobody but root of the nodes.
install -d -m 700 /srv/checkpoints
mkdir -p /etc/exports.d
# The agents are root, and their files must be.
echo "/srv/checkpoints ${NODE_IP%.*}.0/24(rw,sync,no_subtree_check,no_root_squash)" >/etc/exports.d/checkpoints.exports
systemctl enable --now nfs-server
exportfs -ra
