#!/usr/bin/env bash
# Writes a patch of patches/: copies the tree, runs COMMAND in the copy, and
# keeps what it changed. An existing patch of that name is replaced.
#
#   internal/mutate/record.sh NAME PACKAGE REGEXP DESCRIPTION COMMAND...
#
# COMMAND may be an editor, or a shell in which to edit. See README.md.
set -euo pipefail

if (($# < 5)); then
	sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi
name=$1 package=$2 regexp=$3 description=$4
shift 4

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/a"
(cd "$root" && git ls-files -z --cached --others --exclude-standard |
	while IFS= read -r -d '' f; do if [[ -e $f ]]; then printf '%s\0' "$f"; fi; done |
	tar --null -T - -cf -) | tar -C "$work/a" -xf -
cp -r "$work/a" "$work/b"
(cd "$work/b" && "$@")

if diff=$(cd "$work" && git diff --no-index --no-color --no-ext-diff a b); then
	echo "nothing was changed" >&2
	exit 1
fi
patch=$here/patches/$name.patch
{
	printf '%s\ntest: %s %s\n\n' "$description" "$package" "$regexp"
	# without the lines that say what is known, or differs between machines
	sed -e '/^diff --git /d; /^index /d' -e 's|^--- a/a/|--- a/|; s|^+++ b/b/|+++ b/|' <<<"$diff"
} >"$patch"
"$here/run.sh" "$name"
