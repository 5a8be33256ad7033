#!/bin/bash
# Installs the peers of these tests, Debian's docker-registry, skopeo, buildah and zstd, unless they are there, and prints where
# checkpointctl is.
set -euo pipefail
packages=()
for pair in docker-registry:docker-registry skopeo:skopeo buildah:buildah zstd:zstd; do
  command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
done
if [ ${#packages[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  # The package would start a registry of its own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get install -q -y --no-install-recommends "${packages[@]}" >&2 || {
    apt-get -q update >&2
    apt-get install -q -y --no-install-recommends "${packages[@]}" >&2
  }
fi

"$(dirname "$0")/../../TestKit/checkpointctl.sh"
