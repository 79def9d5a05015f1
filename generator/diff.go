package generator

import (
	"fmt"
	"slices"
	"strings"
)

// noFile is how a unified diff names a side that does not exist.
const noFile = "/dev/null"

// unified gives the difference of two files as a unified diff that patch -p1
// and git apply take. A nil text is a file that does not exist.
//
// It is written by hand because everything this module requires ends up in the
// go.mod of the services that use a queue.
func unified(name string, before, after []byte) []byte {
	from, to := "a/"+name, "b/"+name
	if before == nil {
		from = noFile
	}
	if after == nil {
		to = noFile
	}
	out := fmt.Appendf(nil, "--- %s\n+++ %s\n", from, to)

	return appendHunks(out, edit(nil, splitLines(before), splitLines(after)))
}

// splitLines cuts text after each line end. A last line without one carries
// the remark that says so, and therefore differs from the same line with one.
func splitLines(text []byte) []string {
	lines := slices.Collect(strings.Lines(string(text)))
	if n := len(lines); n > 0 && !strings.HasSuffix(lines[n-1], "\n") {
		lines[n-1] += "\n\\ No newline at end of file\n"
	}

	return lines
}

// diffLine is one printed line: ' ' for both files, '-' for the old, '+' for
// the new one.
type diffLine struct {
	mark byte
	text string
}

// edit appends the lines that turn a into b. Common ends are kept, then the
// lines that stand once on either side, since those are never paired by
// accident; what lies between is treated the same way.
func edit(out []diffLine, a, b []string) []diffLine {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		out = append(out, diffLine{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	same := 0
	for same < min(len(a), len(b)) && a[len(a)-1-same] == b[len(b)-1-same] {
		same++
	}
	tail := a[len(a)-same:]
	a, b = a[:len(a)-same], b[:len(b)-same]

	var done pair
	for _, p := range anchors(a, b) {
		out = edit(out, a[done.a:p.a], b[done.b:p.b])
		out = append(out, diffLine{' ', a[p.a]})
		done = pair{p.a + 1, p.b + 1}
	}
	if done == (pair{}) {
		out = mark(out, '-', a)
		out = mark(out, '+', b)
	} else {
		out = edit(out, a[done.a:], b[done.b:])
	}

	return mark(out, ' ', tail)
}

func mark(out []diffLine, mark byte, lines []string) []diffLine {
	for _, text := range lines {
		out = append(out, diffLine{mark, text})
	}

	return out
}

// pair is a line of a and its equal in b, by index.
type pair struct{ a, b int }

// anchors pairs the lines that are unique on both sides and gives a longest
// sequence of pairs that rises on both.
func anchors(a, b []string) []pair {
	inA, inB := once(a), once(b)
	var pairs []pair
	for i, line := range a {
		if j, ok := inB[line]; ok && j >= 0 && inA[line] >= 0 {
			pairs = append(pairs, pair{i, j})
		}
	}

	var tails []int // tails[n] ends the best sequence of n+1 pairs
	before := make([]int, len(pairs))
	for i, p := range pairs {
		n, _ := slices.BinarySearchFunc(tails, p.b, func(j, b int) int { return pairs[j].b - b })
		if n == len(tails) {
			tails = append(tails, i)
		}
		tails[n], before[i] = i, -1
		if n > 0 {
			before[i] = tails[n-1]
		}
	}
	if len(tails) == 0 {
		return nil
	}
	rising := make([]pair, len(tails))
	for n, i := len(tails)-1, tails[len(tails)-1]; n >= 0; n, i = n-1, before[i] {
		rising[n] = pairs[i]
	}

	return rising
}

// once maps each line to its index, or to -1 if it stands there repeatedly.
func once(lines []string) map[string]int {
	index := make(map[string]int, len(lines))
	for i, line := range lines {
		if _, again := index[line]; again {
			i = -1
		}
		index[line] = i
	}

	return index
}

// margin is the number of unchanged lines shown around a change.
const margin = 3

// appendHunks prints the changed stretches of lines, each with its context and
// with the range of lines it covers in either file.
func appendHunks(out []byte, lines []diffLine) []byte {
	var old, now int // lines of either file before lines[i]
	for i := 0; i < len(lines); {
		start := i + slices.IndexFunc(lines[i:], changed)
		if start < i {
			break
		}
		end, quiet := start, 0
		for end < len(lines) && quiet <= 2*margin {
			if quiet++; changed(lines[end]) {
				quiet = 0
			}
			end++
		}
		end -= max(0, quiet-margin)
		start = max(i, start-margin)

		old, now = old+start-i, now+start-i
		var body []byte
		oldLines, nowLines := 0, 0
		for _, l := range lines[start:end] {
			body = append(append(body, l.mark), l.text...)
			oldLines += count(l.mark != '+')
			nowLines += count(l.mark != '-')
		}
		out = fmt.Appendf(out, "@@ -%s +%s @@\n", extent(old, oldLines), extent(now, nowLines))
		out = append(out, body...)
		old, now, i = old+oldLines, now+nowLines, end
	}

	return out
}

func changed(l diffLine) bool { return l.mark != ' ' }

func count(counts bool) int {
	if counts {
		return 1
	}

	return 0
}

// extent spells a range of n lines that follows the first before lines.
func extent(before, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", before)
	case 1:
		return fmt.Sprint(before + 1)
	default:
		return fmt.Sprintf("%d,%d", before+1, n)
	}
}
