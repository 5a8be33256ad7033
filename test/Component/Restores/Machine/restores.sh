#!/bin/bash
# Runs on the machine of image.sh (cgroup v2, systemd), beside the restore handler: containers that crun and CRIU dump go on by the
# handler, in their own cgroup. Prints "ok" or "not ok" for each thing looked at, and fails where one is not.
set -uo pipefail
export POD_CHECKPOINTING_STATE=/state
staging=/state/restores/u1/app
failed=0
ok() { if [ "$2" = "$3" ]; then echo "ok $case: $1"; else echo "not ok $case: $1 is \"$2\", and not \"$3\""; failed=1; fi; }

mkdir -p /root-of-it/bin /root-of-it/proc /root-of-it/sys /root-of-it/dev
cp /bin/busybox /root-of-it/bin/ && for name in sh sleep; do ln -s busybox "/root-of-it/bin/$name"; done

# bundle FOLDER CGROUP ANNOTATIONS
bundle() {
  mkdir -p "$1"
  cat >"$1/config.json" <<JSON
{"ociVersion": "1.0.2", "annotations": {$3}, "root": {"path": "/root-of-it"}, "hostname": "it",
 "process": {"cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"],
  "args": ["/bin/sh", "-c", "n=0; while :; do n=\$((n + 1)); echo \$n; sleep 0.3; done"]},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "ro"]},
  {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "ro"]}],
 "linux": {"cgroupsPath": "$2", "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}],
  "resources": {"memory": {"limit": 67108864}, "pids": {"limit": 50}, "devices": [{"allow": false, "access": "rwm"}]}}}
JSON
}

# The first attempt of crun.late leaves all it has restored, stopped, as one that could not unmount its root.
cat >/job/crun.late <<'SH'
#!/bin/sh
case " $* " in *" restore "*) ;; *) exec crun "$@" ;; esac
crun "$@" || exit
[ ! -e /late ] || exit 0
: >/late
echo 'Error: unmounting restore directory' >>/state/restores/u1/app/restore.log
exit 1
SH
chmod +x /job/crun.late /job/checkpoint-restore

# go_on CASE MANAGER FIRST SECOND FOLDER CGROUP: a container of the cgroup path FIRST is dumped, and goes on in SECOND.
go_on() {
  case=$1
  rm -rf /state /late
  mkdir -p "$staging"
  bundle /first "$3" ""
  # A pipe, as a runtime gives: of a file outside of the container CRIU knows nothing.
  crun "$2" run --detach --bundle /first --pid-file /first/pid first > >(cat >/first/out) 2>&1 </dev/null
  until [ "$(wc -l </first/out)" -ge 3 ]; do sleep 0.1; done
  crun "$2" checkpoint --image-path "$staging/checkpoint" --work-path /first first
  last=$(tail -n 1 /first/out)

  # As the agent stages it (RestoreStaging).
  printf 'leave-stopped\n' >"$staging/criu.conf"
  for file in image rootfs-folders rootfs-gone rootfs-others; do : >"$staging/$file"; done
  echo app >"$staging/../members"
  : >"$staging/../go"
  [ "$case" != lazily ] || : >"$staging/lazy"
  echo shared://u0/c0/app/dump.tar.zst >"$staging/staged"
  bundle /second "$4" '"io.kubernetes.cri-o.checkpoint-restore": "shared://u0/c0", "io.kubernetes.cri.container-type": "container",
    "io.kubernetes.cri.sandbox-uid": "u1", "io.kubernetes.cri.container-name": "app"'
  export POD_CHECKPOINTING_CRUN=/usr/bin/crun
  [ "$case" != "at the second attempt" ] || POD_CHECKPOINTING_CRUN=/job/crun.late
  /job/checkpoint-restore "$2" create --bundle /second --pid-file /second/pid second > >(cat >/second/out) 2>/second/errors </dev/null
  ok "create" $? 0
  cat /second/errors
  pid=$(cat /second/pid)
  ok "its state before start" "$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status")" T
  ok "its cgroup" "$(cat "/proc/$pid/cgroup")" "0::/$6"
  /job/checkpoint-restore "$2" start second
  ok "start" $? 0
  # What cannot be restored so is restored as usual, and goes on just as well.
  [ "$case" != lazily ] || ok "how it was restored" "$(cd "$staging" && ls -d lazy restore-lazy.log 2>/dev/null)" lazy
  for _ in $(seq 100); do [ ! -s /second/out ] || break; sleep 0.1; done
  ok "its next number" "$(head -n 1 /second/out)" $((last + 1))
  ok "its memory limit" "$(cat "/sys/fs/cgroup/$5/memory.max")" 67108864
  ok "its limit of processes" "$(cat "/sys/fs/cgroup/$5/pids.max")" 50
  ok "the limit that it sees" "$(cat "/proc/$pid/root/sys/fs/cgroup/memory.max")" 67108864
  ok "its cgroup namespace" "$([ "$(readlink "/proc/$pid/ns/cgroup")" != "$(readlink /proc/self/ns/cgroup)" ] && echo own)" own
  # The pages of the process are the container's.
  ok "what is charged to it" "$([ "$(cat "/sys/fs/cgroup/$5/memory.current")" -gt 100000 ] && echo enough)" enough
  crun "$2" update --memory 70000640 second
  ok "its new limit" "$(cat "/sys/fs/cgroup/$5/memory.max")" 70000640
  crun "$2" delete --force second
  crun "$2" delete --force first 2>/dev/null
}

for case in "at once" "at the second attempt" lazily; do
  echo "# systemd, $case"
  go_on "$case" --systemd-cgroup system.slice:crio:first system.slice:crio:second system.slice/crio-second.scope system.slice/crio-second.scope/container
  echo "# cgroupfs, $case"
  go_on "$case" --cgroup-manager=cgroupfs /pods/first /pods/second pods/second pods/second
done
exit $failed
