#!/bin/bash
# Our two images in CRI-O's store: from artifacts/images, where `make images` leaves them, or built here the first time.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
repo=/vagrant
out=$repo/artifacts/images
version=$(sed -n 's/^appVersion: //p' "$repo/charts/pod-checkpointing/Chart.yaml")

# build NAME DOCKERFILE FILE
build() {
  [ ! -e "$out/$3.tar" ] || return 0
  command -v buildah >/dev/null || apt-get -q -y install buildah
  buildah bud --quiet -f "$repo/$2" -t "localhost/$1:$version" "$repo"
  mkdir -p "$out"
  buildah push --quiet "localhost/$1:$version" "oci-archive:$out/$3.tar:localhost/$1:$version"
}

build pod-checkpointing-operator controllers/Manager/Dockerfile operator
build checkpoint-agent agent/Dockerfile agent
skopeo copy --quiet "oci-archive:$out/operator.tar" "containers-storage:localhost/pod-checkpointing-operator:$version"
skopeo copy --quiet "oci-archive:$out/agent.tar" "containers-storage:localhost/checkpoint-agent:$version"
