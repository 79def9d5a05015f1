package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// clean makes a text that came from elsewhere fit to be printed, in one line:
// what is no letter, mark, number, punctuation, symbol or space is spelled out.
// So no escape sequence, no change of direction and no broken UTF-8 gets through.
func clean(s string) string {
	printable := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if strings.IndexFunc(s, func(r rune) bool { return !printable(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case printable(r):
			b.WriteRune(r)
		case unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}

	return b.String()
}

// head is the beginning of s, of n bytes at most.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}

	return strings.ToValidUTF8(strings.Clone(s[:n]), "") + "…"
}

// cleanLines is clean of each line of s.
func cleanLines(s string) []string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = clean(strings.ReplaceAll(lines[i], "\t", "    "))
	}

	return lines
}

// appendCleanJSON appends JSON that came from elsewhere, the same for who parses
// it and fit to be printed. What it spells out can only stand in strings.
func appendCleanJSON(dst, src []byte) []byte {
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\ufffd`...)
		case r < utf8.RuneSelf && r != 0x7f || unicode.IsPrint(r):
			dst = append(dst, src[:size]...)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				dst = fmt.Appendf(dst, `\u%04x`, unit)
			}
		}
		src = src[size:]
	}

	return dst
}

// fit is s in n columns, cut with an ellipsis or padded.
func fit(s string, n int, right bool) string {
	if n <= 0 {
		return ""
	}
	s = ansi.Truncate(s, n, "…")
	pad := strings.Repeat(" ", max(0, n-ansi.StringWidth(s)))
	if right {
		return pad + s
	}

	return s + pad
}

// count is n with its thousands apart.
func count[N int | uint64](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}

	return s
}

// plural is n of a thing.
func plural[N int | uint64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}

	return count(n) + " " + thing + "s"
}

func yes(b bool) string {
	if b {
		return "yes"
	}

	return "no"
}

// rate is a number by second.
func rate(f float64) string {
	if f >= 10 || f == math.Trunc(f) {
		return count(int(math.Round(f)))
	}

	return strconv.FormatFloat(f, 'f', 1, 64)
}

// seconds is a time span in three digits.
func seconds(s float64) string {
	digits := func(f float64) string {
		return strconv.FormatFloat(f, 'f', max(0, 2-int(math.Floor(math.Log10(f)))), 64)
	}
	switch {
	case s <= 0 || math.IsNaN(s):
		return "0 s"
	case s < 1e-6:
		return "<1 µs"
	case s < 1e-3:
		return digits(s*1e6) + " µs"
	case s < 1:
		return digits(s*1e3) + " ms"
	case s < 120:
		return digits(s) + " s"
	case s < 7200:
		return count(int(s/60)) + " min"
	case s < 172800:
		return count(int(s/3600)) + " h"
	default:
		return count(int(s/86400)) + " d"
	}
}

// clock is a time of the day, here.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}

	return t.Local().Format(time.TimeOnly)
}

// date is a time.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}

	return t.Local().Format("2006-01-02 15:04:05 MST")
}

// sparkline draws what was lately, the greatest being full height.
func sparkline(points []int) string {
	if len(points) < 2 {
		return ""
	}
	most := 1
	for _, p := range points {
		most = max(most, p)
	}
	steps := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, p := range points {
		b.WriteRune(steps[int(7*float64(max(p, 0))/float64(most))])
	}

	return b.String()
}
