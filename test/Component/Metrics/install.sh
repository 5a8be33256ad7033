#!/bin/bash
# Brings the readers of these tests: Prometheus' own client for Python and promtool, from Debian. No server is installed.
# Prints where promtool is.
set -euo pipefail
cache=${POD_CHECKPOINTING_CACHE:-/var/cache/pod-checkpointing}
exec 9>"$cache/.promtool.lock"
flock 9
export DEBIAN_FRONTEND=noninteractive
if ! /usr/bin/python3 -c 'import prometheus_client' 2>/dev/null; then
  apt-get install -y --no-install-recommends python3-prometheus-client >&2 || {
    apt-get update >&2
    apt-get install -y --no-install-recommends python3-prometheus-client >&2
  }
fi
if [ ! -x "$cache/promtool/promtool" ]; then
  work=$(mktemp -d "$cache/promtool.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  apt-get download -q prometheus >&2 || { apt-get update >&2; apt-get download -q prometheus >&2; }
  dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
  mkdir -p "$cache/promtool"
  mv usr/bin/promtool "$cache/promtool/promtool"
fi
echo "$cache/promtool/promtool"
