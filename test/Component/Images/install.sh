#!/bin/bash
# Installs the peers of these tests, Debian's docker-registry, skopeo and buildah, unless they are there.
set -euo pipefail
if command -v docker-registry >/dev/null && command -v skopeo >/dev/null && command -v buildah >/dev/null; then
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# The package would start a registry of its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get install -y --no-install-recommends docker-registry skopeo buildah >&2 || {
  apt-get update >&2
  apt-get install -y --no-install-recommends docker-registry skopeo buildah >&2
}
