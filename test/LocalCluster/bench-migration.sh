#!/bin/bash
# Migrations in a row, there and back, of one counter pod; the times of each step, and kubelet's and CRIU's own beside them.
#   bench-migration.sh [COUNT [MEBIBYTES]]    the last line reads "migration: downtime p50=<ms> p99=<ms> criu p50=<ms>"
# With MEBIBYTES the pod has so much memory beside its counter, which it looks at now and then: a quarter of each page is random.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
count=${1:-50}
name=bm$((RANDOM % 1000))
export POD_CHECKPOINTING_OWNER=$$
cluster() { "$here/cluster.sh" "$@"; }
k() { cluster kubectl "$name" "$@"; }
# A virtual machine that reports free pages to its host gets them anew, by a fault of the host for each: where a write to memory in use takes 0.3 s for
# 1 GiB, one to reported memory takes 3 s, and the figures are the host's. While it is measured the kernel keeps what is free, where it can be told to.
reporting=/sys/module/page_reporting/parameters
kept=()
keep_memory() {
  local knob
  for knob in max_waiting_mib=65536 min_free_ms=60000; do
    [ -w "$reporting/${knob%%=*}" ] || continue
    kept+=("${knob%%=*}=$(<"$reporting/${knob%%=*}")")
    echo "${knob#*=}" >"$reporting/${knob%%=*}"
  done
  # Once from the host, and once more to see what it costs.
  touch_memory $(($(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo) / 2048)) >/dev/null
  echo "memory: 1 GiB written in $(touch_memory 1024) ms"
}
touch_memory() {
  local at=${EPOCHREALTIME/[.,]/}
  head -c "$1M" /dev/zero >"/dev/shm/$name"
  echo $(((${EPOCHREALTIME/[.,]/} - at) / 1000))
  rm "/dev/shm/$name"
}
leave() {
  [ "$1" = 0 ] || cluster tails "$name" >&2 || true
  cluster down "$name" || true
  local knob
  for knob in "${kept[@]}"; do echo "${knob#*=}" >"$reporting/${knob%%=*}"; done
}
# What does not come up takes itself down; and whose name is taken is not ours to take down.
cluster up "$name"
trap 'leave $?' EXIT
if [ -n "${2:-}" ]; then
  k apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: counter}
spec:
  nodeName: node-a
  terminationGracePeriodSeconds: 1
  containers:
    - name: counter
      image: localhost/python:1
      command: [python3, -u, -c, "import os, time\\npage = lambda: os.urandom(1024) + bytes(range(256)) * 12\\ndata = bytearray(b''.join(page() for _ in range($2 * 256)))\\nn = 0\\nwhile True:\\n    n += 1\\n    data[n * 4096 % len(data)] = n % 256\\n    print(f'n={n}')\\n    time.sleep(0.1)"]
YAML
else
  k apply -f "$here/../../config/samples/demo/counter.yaml"
fi
k wait --for=condition=Ready --timeout=180s pod/counter
# Its memory is there when it counts.
until=$((SECONDS + 180))
until cat "$(cluster dir "$name")"/node-a/pods-log/*/counter/* 2>/dev/null | grep '=' >/dev/null; do
  [ "$SECONDS" -lt "$until" ] || { echo "the counter does not count on node-a" >&2; exit 1; }
  sleep 0.2
done
keep_memory
pod=counter
node="node-b"
results=$(cluster dir "$name")/results
for i in $(seq "$count"); do
  k apply -f - >/dev/null <<YAML
{apiVersion: lpm.my.domain/v1, kind: PodMigration, metadata: {name: bench-$i}, spec: {podName: $pod, targetNode: $node}}
YAML
  k wait --for=jsonpath='{.status.outcome}'=Restored --timeout=120s "podmigration/bench-$i" >/dev/null || {
    k get podmigration "bench-$i" -o yaml >&2
    exit 1
  }
  k get podmigration "bench-$i" -o json >>"$results"
  pod=$(k get podmigration "bench-$i" -o 'jsonpath={.status.restoredPodName}')
  if [ "$node" = node-b ]; then node="node-a"; else node="node-b"; fi
done
python3 - "$results" "$(cluster dir "$name")"/log/agent-node-?.log <<'PYTHON'
import datetime, itertools, json, math, re, sys

def objects(text):
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        yield value["status"]
        at += len(text[at:]) - len(text[at:].lstrip())

def time(text):
    return datetime.datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*Z$", r"\1+00:00", text))

def quantile(values, q):
    return sorted(values)[min(len(values) - 1, math.ceil(q * len(values)) - 1)]

statuses = list(objects(open(sys.argv[1]).read()))
steps = {}
for status in statuses:
    for step in status["steps"]:
        if "finishedAt" in step:
            took = (time(step["finishedAt"]) - time(step["startedAt"])).total_seconds() * 1000
            steps.setdefault(step["name"], []).append(took)
criu = [int(re.search(r"(\d+) ms", s["message"]).group(1)) for st in statuses for s in st["steps"] if s["name"] == "Restore"]
downtime = [s["downtimeMilliseconds"] for s in statuses]
# As the agents tell it: how long kubelet took for a dump, and how long a checkpoint took to be verified and staged. They come in turns.
said = [re.findall(r"(Dumped|Staged) .* in (\d+) ms", open(log).read()) for log in sys.argv[2:]]
told = {}
for word, by in [("Dumped", said), ("Staged", said[::-1])]:
    a, b = ([int(took) for what, took in lines if what == word] for lines in by)
    told[word] = [took for pair in itertools.zip_longest(a, b) for took in pair if took is not None]
    assert len(told[word]) == len(statuses), f"{word} {len(told[word])} times in {len(statuses)} migrations"
rest = [down - kubelet - restore for down, kubelet, restore in zip(downtime, told["Dumped"], criu)]
print(f"{len(statuses)} migrations")
print(f"{'step':<14}{'p50 ms':>8}{'p99 ms':>8}")
rows = [("downtime", downtime), ("kubelet call", told["Dumped"]), ("staging", told["Staged"]), ("CRIU restore", criu), ("the rest", rest)]
for name, values in [*steps.items(), *rows]:
    print(f"{name:<14}{quantile(values, .5):>8.0f}{quantile(values, .99):>8.0f}")
print(f"of the downtime not kubelet's call: p50 {quantile([r + c for r, c in zip(rest, criu)], .5)} ms")
print(f"of the downtime neither kubelet's call nor CRIU's restore: p50 {quantile(rest, .5)} ms")
print(f"migration: downtime p50={quantile(downtime, .5)} p99={quantile(downtime, .99)} criu p50={quantile(criu, .5)}")
PYTHON
