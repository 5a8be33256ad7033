#!/bin/bash
# Installs the foreign gRPC peer of these tests: Debian's python3-grpcio, which is gRPC's C core, and its protobuf.
set -euo pipefail
if /usr/bin/python3 -c 'import grpc, google.protobuf' 2>/dev/null; then
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get install -y --no-install-recommends python3-grpcio python3-protobuf >&2 || {
  apt-get update >&2
  apt-get install -y --no-install-recommends python3-grpcio python3-protobuf >&2
}
