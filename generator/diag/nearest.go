package diag

import (
	"slices"
	"strings"
)

// Nearest gives the name that got was probably meant to be, "" if none is
// close: at most a third of it may differ, letter case aside.
func Nearest(got string, names []string) string {
	got = strings.ToLower(got)
	best, at := "", max(1, len(got)/3)+1
	for _, n := range names {
		if d := distance(got, n); d < at {
			best, at = n, d
		}
	}
	if best != "" || len(got) < 3 {
		return best
	}
	// An abbreviation, or a word with something attached to it.
	i := slices.IndexFunc(names, func(n string) bool {
		return strings.HasPrefix(n, got) || strings.HasPrefix(got, n)
	})
	if i < 0 {
		return ""
	}

	return names[i]
}

// distance counts the letters to insert, drop, replace or swap with their
// neighbour to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}

	return rows[len(a)][len(b)]
}
