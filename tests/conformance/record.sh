# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What both suites' runs do with the TAP of one file. Sourced.

# count PATTERN RESULT - lines of the result
count() {
	grep -c "$1" "$2" || true
}

# record RESULT LAB ARG... - `LAB run ARG...`, its output in RESULT, and its counts on
# stdout; once more in a new lab when that one was lost, or hung: --timeout is for that
record() {
	local result=$1 lab=$2 begin=$SECONDS status try skipped name
	shift 2

	for try in 1 2; do
		status=0
		# shellcheck disable=SC2086 # the lab with its variant
		$lab run "$@" >"$result.new" 2>"$result.err" </dev/null || status=$?
		[[ $try -eq 1 && ($status -eq 255 || $status -eq 124) ]] || break
		$lab down
	done
	echo "# exit status $status" >>"$result.new"
	mv "$result.new" "$result"
	name=${result##*/}
	skipped=$(count '^ok .*# \(skip\|SKIP\)' "$result")
	printf '%-32s %3d ok, %d not ok, %d skipped, %4d s\n' "${name%.tap}" $(($(count '^ok ' "$result") - skipped)) \
		"$(count '^not ok ' "$result")" "$skipped" $((SECONDS - begin))
}
