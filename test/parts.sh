#!/bin/bash
# Brings what component tests need beside the bench, before the first of them begins: what cannot be had is named here, and is no
# test that fails. The tests call the same scripts, which find everything there.
set -uo pipefail
cd "$(dirname "$0")/Component" || exit 1
for part in Grpc/install.sh Images/install.sh Metrics/install.sh Storage/install.sh Deploy/Chart/install.sh Deploy/Vagrant/install.sh Deploy/Vagrant/tree.sh Restores/Machine/image.sh; do
  for try in 1 2 3; do
    # A mirror has its moments.
    said=$("./$part" 2>&1) && continue 2
    printf '%s\n' "$said" | tail -n 30 >&2
    echo "test/Component/$part failed, try $try of 3" >&2
    sleep 10
  done
  echo "what test/Component/$part brings cannot be had; its last words are above" >&2
  exit 1
done
