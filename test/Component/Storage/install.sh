#!/bin/bash
# Sees to zstd, gcc and mkfs.ext4, and prints where checkpointctl is.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
if ! { command -v zstd && command -v gcc && command -v mkfs.ext4; } >/dev/null; then
  apt-get -q update >&2
  apt-get -q install -y --no-install-recommends zstd gcc libc6-dev e2fsprogs >&2
fi
"$(dirname "$0")/../../TestKit/checkpointctl.sh"
