#!/bin/bash
# run.sh FOLDER [PORT:PORT…]: has the machine of image.sh run FOLDER/run.sh, as root below systemd, and prints what that says. Fails
# where it fails. Of each pair, the first is a port of this machine's loopback that leads to the second, one of that machine's, whose
# 10.0.2.2 is this machine's loopback. It is ended after MACHINE_SECONDS.
# Emulated, for KVM is not to be had everywhere; with one processor, for QEMU's emulation of several loses a patch that the kernel
# makes to its own code now and then.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
machine=$("$here/image.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -rL "$1" "$work/files"
truncate -s "$(($(du -sm "$work/files" | cut -f1) * 5 / 4 + 64))M" "$work/job"
mkfs.ext4 -q -F -d "$work/files" "$work/job"
rm -rf "$work/files"
forwards=
for pair in "${@:2}"; do forwards+=,hostfwd=tcp:127.0.0.1:${pair%:*}-:${pair#*:}; done
timeout "${MACHINE_SECONDS:-2700}" qemu-system-x86_64 -accel tcg -cpu Haswell-noTSX-IBRS,-spec-ctrl -smp 1 -m 2048 -nographic -no-reboot -monitor none \
  -kernel "$machine/vmlinuz" -initrd "$machine/initrd" \
  -append "root=/dev/vda rw console=ttyS0 quiet mitigations=off panic=-1 net.ifnames=0" \
  -netdev "user,id=n$forwards" -device virtio-net-pci,netdev=n,romfile= \
  -drive "file=$machine/disk,if=virtio,format=raw,snapshot=on" -drive "file=$work/job,if=virtio,format=raw" \
  -serial "file:$work/console" -serial "file:$work/said" </dev/null >"$work/qemu" 2>&1 || true
tr -d '\r' <"$work/said"
if ! grep -q '^END 0' "$work/said"; then
  tail -n 20 "$work/console" "$work/qemu" >&2
  exit 1
fi
