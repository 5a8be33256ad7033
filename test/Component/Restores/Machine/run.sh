#!/bin/bash
# run.sh FOLDER: has the machine of image.sh run FOLDER/run.sh, as root below systemd, and prints what that says. Fails where it fails.
# Emulated, for KVM is not to be had everywhere; with one processor, for QEMU's emulation of several loses a patch that the kernel
# makes to its own code now and then.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
machine=$("$here/image.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$1" -chf "$work/job" .
timeout 900 qemu-system-x86_64 -accel tcg -cpu Haswell-noTSX-IBRS,-spec-ctrl -smp 1 -m 1024 -nographic -no-reboot -net none -monitor none \
  -kernel "$machine/vmlinuz" -initrd "$machine/initrd" -append "root=/dev/vda rw console=ttyS0 quiet mitigations=off panic=-1" \
  -drive "file=$machine/disk,if=virtio,format=raw,snapshot=on" -drive "file=$work/job,if=virtio,format=raw,readonly=on" \
  -serial "file:$work/console" -serial "file:$work/said" </dev/null >"$work/qemu" 2>&1 || true
tr -d '\r' <"$work/said"
if ! grep -q '^END 0' "$work/said"; then
  tail -n 20 "$work/console" "$work/qemu" >&2
  exit 1
fi
