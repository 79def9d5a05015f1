#!/usr/bin/env bash
# Fuzzes every native fuzz target of the module, one after another:
#
#	internal/tools/fuzz.sh [-fuzztime of each, default 50000x] [packages, default ./...]
#
# The default counts executions: where a duration ends, toolchains before 1.27
# now and then fail a target that found nothing (go.dev/issue/75804).
#
# Stops at the first failure; go has then written the failing input below the
# package's testdata/fuzz, where it becomes a seed of go test.
set -euo pipefail
cd "$(dirname "$0")/../.."

budget=${1:-50000x}
[ $# -gt 0 ] && shift
packages=("${@:-./...}")

# One line a target: its package and its name. go test -list would build every
# test binary of the module to say the same.
targets() {
	local dir package
	go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}} {{.ImportPath}}{{end}}' "${packages[@]}" |
		while read -r dir package; do
			sed -nE "s|^func (Fuzz[A-Za-z0-9_]*)\(.*|$package \1|p" "$dir"/*_test.go
		done
}

found=0
while read -r package name; do
	found=$((found + 1))
	echo "fuzz: $package $name for $budget"
	go test "$package" -run '^$' -fuzz "^$name\$" -fuzztime "$budget" </dev/null
done < <(targets)

if [ "$found" -eq 0 ]; then
	echo "fuzz: no targets in ${packages[*]}" >&2
	exit 1
fi
echo "fuzz: $found targets, no failure"
