#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh SECONDS: runs every fuzzer, SECONDS of processor time in all, half of them the query language's,
# beside the others; 0 only builds them. What they learn stays in build-fuzz/corpus; inputs that break something go to
# build-fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:?run.sh SECONDS}
build=$PWD/build-fuzz
trap 'children=$(jobs -p); [ -z "$children" ] || { kill $children; wait $children; } 2> /dev/null || true' EXIT
trap 'exit 130' INT TERM HUP

if [ ! -e "$build/build.ninja" ]; then
	CC=clang CXX=clang++ meson setup "$build" -Dfuzzers=true > /dev/null
fi
ninja -C "$build" fuzzers > "$build/build.log" 2>&1 || {
	grep -E -A 5 'error|ERROR|FAILED' "$build/build.log" | head -40 >&2
	echo "fuzz: the build failed: see build-fuzz/build.log" >&2
	exit 1
}

[ "$seconds" != 0 ] || exit 0

/usr/bin/python3 tests/fuzz/seeds.py "$build/seeds"

names=()
for source in tests/fuzz/fuzz_*.c; do
	name=${source##*/fuzz_}
	names+=("${name%.c}")
done
others=$((${#names[@]} > 1 ? ${#names[@]} - 1 : 1))

share() { # seconds for a fuzzer; 0 would mean for ever
	local part=$((seconds / 2))
	[ "$1" = query ] || part=$((seconds / 2 / others))
	echo $((part > 0 ? part : 1))
}

run_fuzzer() { # prints one line; not 0: it found something
	local name=$1 log=$build/fuzz_$1.log status=0 options=() seeds=() runs
	mkdir -p "$build/corpus/$name" "$build/findings"
	[ ! -e "tests/fuzz/$name.dict" ] || options+=("-dict=tests/fuzz/$name.dict")
	[ ! -e "tests/fuzz/seeds/$name" ] || seeds+=("tests/fuzz/seeds/$name")
	[ ! -e "$build/seeds/$name" ] || seeds+=("$build/seeds/$name")
	"$build/tests/fuzz/fuzz_$name" "${options[@]}" -max_total_time="$(share "$name")" -max_len=5000 \
		-timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$build/findings/$name-" "$build/corpus/$name" "${seeds[@]}" > "$log" 2>&1 &
	wait $! || status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ "$status" = 0 ]; then
		echo "fuzz_$name: $(share "$name") s, ${runs:-0} runs, nothing found"
	else
		echo "fuzz_$name: FOUND: $(grep -m 1 -E 'not so:|ERROR:|runtime error:' "$log" ||
			echo "exit status $status"); see ${log#"$PWD"/} and build-fuzz/findings"
	fi
	return "$status"
}

run_others() {
	local failed=0
	trap 'kill $(jobs -p) 2> /dev/null; exit 130' TERM
	for name in "${names[@]}"; do
		[ "$name" = query ] || run_fuzzer "$name" || failed=1
	done
	return $failed
}

failed=0
run_others &
others_pid=$!
run_fuzzer query || failed=1
wait "$others_pid" || failed=1
exit $failed
