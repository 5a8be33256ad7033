#!/bin/bash
# All tests, the quick ones first; prints the names of those that failed and one line of figures at the end.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0 names=""
export POD_CHECKPOINTING_TESTS_NEED_PARTS=1
# A test run that was cut off has left its clusters.
trap 'test/LocalCluster/cluster.sh sweep' EXIT
for project in Architecture Unit Component EndToEnd; do
  echo "== $project"
  log=$(mktemp)
  # Not for ever, whatever hangs: the names of those that failed by then are wanted. Four times what the slowest needs on a quiet
  # machine. What an emulated processor takes a quarter of an hour for is asked for by itself (make test-unified).
  timeout --foreground -k 60 75m dotnet run --no-build --project "test/$project" -- --filter "TestCategory!=Emulated" --no-ansi --no-progress 2>&1 | tee "$log"
  code=${PIPESTATUS[0]}
  p=$(sed -n 's/^ *succeeded: *\([0-9]*\).*/\1/p' "$log" | tail -n 1)
  f=$(sed -n 's/^ *failed: *\([0-9]*\).*/\1/p' "$log" | tail -n 1)
  s=$(sed -n 's/^ *skipped: *\([0-9]*\).*/\1/p' "$log" | tail -n 1)
  # The runner prints "failed Name_of_the_test (1s 20ms)" at the start of a line; its own summary has a colon and a number.
  names+=$(sed -n "s/^\(failed\|skipped\) \([^ ].*\)/\1 $project: \2/p" "$log")$'\n'
  rm -f "$log"
  passed=$((passed + ${p:-0}))
  failed=$((failed + ${f:-0}))
  if [ "$code" -ne 0 ] && [ "${f:-0}" -eq 0 ]; then
    failed=$((failed + 1)) names+="failed $project: the runner itself, with exit code $code"$'\n'
  fi
  if [ "${s:-0}" -ne 0 ]; then echo "$project skipped ${s} tests: a skipped test is a failed one here"; failed=$((failed + s)); fi
  if [ "${p:-0}" -eq 0 ]; then echo "$project ran no test"; failed=$((failed + 1)); fi
  if [ "$project" = Unit ]; then
    echo "== Simulation"
    if timeout --foreground -k 60 20m dotnet run --no-build --project test/Simulation -- 2000; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1)) names+="failed Simulation"$'\n'
    fi
  fi
done
printf '%s' "$names" | sed '/^$/d'
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
