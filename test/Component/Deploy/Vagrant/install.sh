#!/bin/bash
# Sees to vagrant and ruby, from Debian: the readers of the Vagrantfile.
set -euo pipefail
if ! { command -v vagrant && command -v ruby; } >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -q -y --no-install-recommends vagrant ruby >&2 || {
    apt-get -q update >&2
    apt-get install -q -y --no-install-recommends vagrant ruby >&2
  }
fi
