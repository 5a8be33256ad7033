#!/bin/bash
# Our two images in CRI-O's store, from artifacts/images, where `make images` leaves them.
set -euo pipefail
repo=/vagrant
version=$(sed -n 's/^appVersion: //p' "$repo/charts/pod-checkpointing/Chart.yaml")
skopeo copy --quiet "oci-archive:$repo/artifacts/images/operator.tar" "containers-storage:localhost/pod-checkpointing-operator:$version"
skopeo copy --quiet "oci-archive:$repo/artifacts/images/agent.tar" "containers-storage:localhost/checkpoint-agent:$version"
