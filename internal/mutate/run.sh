#!/usr/bin/env bash
# Applies each patch of patches/ to a copy of the tree and runs the test that
# its header names. The test must fail: else it does not guard its invariant.
# See README.md.
#
#   internal/mutate/run.sh [NN...]    all patches, or those whose names begin so
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
limit=60 # seconds a test may take; one that hangs is a test that fails

# header FILE prints what the line "test: PACKAGE REGEXP" says.
header() { sed -n 's/^test: //p;/^--- /q' "$1"; }

# copy_tree TO copies what git would: tracked files, and those not ignored.
copy_tree() {
	mkdir -p "$1"
	(cd "$root" && git ls-files -z --cached --others --exclude-standard |
		while IFS= read -r -d '' f; do if [[ -e $f ]]; then printf '%s\0' "$f"; fi; done |
		tar --null -T - -cf -) | tar -C "$1" -xf -
}

# mutate PATCH says how one patch fares, as "NN name: outcome", and shows the
# end of the output if that is not what it should be. It fails unless the
# mutation is killed.
mutate() {
	local patch=$1 name package regexp tree log outcome=killed
	name=$(basename "$patch" .patch)
	read -r package regexp < <(header "$patch")
	tree=$work/tree-${SLOT:-$name} # one a process, so that the build cache knows it
	log=$work/$name.log
	if [[ ! -e $tree ]]; then cp -r "$work/tree" "$tree"; fi
	if ! git -C "$tree" apply "$patch" >"$log" 2>&1; then
		outcome='does not apply'
	else
		if ! (cd "$tree/$package" && go test -c -o "$work/$name.test" .) >"$log" 2>&1; then
			outcome='does not compile'
		elif (cd "$tree/$package" && timeout $((limit + 10)) "$work/$name.test" -test.timeout="${limit}s" \
			-test.run="$regexp") >"$log" 2>&1; then
			outcome=SURVIVED
		fi
		git -C "$tree" apply -R "$patch"
		rm -f "$work/$name.test"
	fi
	printf 'mutation %s: %s (%s)\n' "$name" "$outcome" "$(sed -n 1p "$patch")"
	if [[ $outcome != killed ]]; then
		tail -n 20 "$log" | sed 's/^/\t/'
		return 1
	fi
}

# one is what this script is for itself, one for each patch.
if [[ ${1-} == --one ]]; then
	work=$2
	mutate "$3"
	exit
fi

patches=()
for patch in "$here"/patches/*.patch; do
	name=$(basename "$patch" .patch)
	wanted=$((!$#))
	for prefix; do if [[ $name == "$prefix"* ]]; then wanted=1; fi; done
	if ((!wanted)); then continue; fi
	if [[ -z $(header "$patch") ]]; then
		echo "$patch: no line \"test: PACKAGE REGEXP\"" >&2
		exit 2
	fi
	patches+=("$patch")
done
if ((!${#patches[@]})); then
	echo "no patch begins with: $*" >&2
	exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy_tree "$work/tree"

# A test that fails anyway would kill everything.
for package in $(for p in "${patches[@]}"; do header "$p"; done | cut -d' ' -f1 | sort -u); do
	regexps=$(for p in "${patches[@]}"; do header "$p"; done | sed -n "s|^$package ||p" | sort -u | paste -sd'|')
	if ! (cd "$work/tree/$package" && go test -count=1 -timeout 1h -run "$regexps" .) >"$work/log" 2>&1; then
		tail -n 40 "$work/log"
		echo "$package: fails without any mutation" >&2
		exit 1
	fi
done

mv "$work/tree" "$work/tree-0" # its packages are built
cp -r "$work/tree-0" "$work/tree"
printf '%s\0' "${patches[@]}" |
	xargs -0 -n 1 -P "$(getconf _NPROCESSORS_ONLN)" --process-slot-var=SLOT "$0" --one "$work" || exit 1
