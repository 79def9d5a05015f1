package monitoring

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tqgen/tqgen/internal/instrument"
)

// Exposed is an instrument's name as Prometheus has it, where OpenTelemetry's
// exporter or collector translates names the way they do without being told
// otherwise: with underscores for dots, the unit unless it is a word of the name,
// and _total. Series of a
// histogram have _bucket, _sum or _count behind it.
func Exposed(s instrument.Spec) string {
	words := strings.FieldsFunc(string(s.Name), func(r rune) bool { return !plain(r) })
	unit := s.Unit
	if s.Omni {
		unit = instrument.Plain(unit)
	}
	switch unit {
	case "s":
		unit = "seconds"
	case "ms":
		unit = "milliseconds"
	}
	if !strings.HasPrefix(unit, "{") && !slices.Contains(words, unit) {
		words = append(words, unit)
	}
	if s.Kind == instrument.Counter {
		words = append(words, "total")
	}

	return strings.Join(words, "_")
}

// Label is the key of an attribute as Prometheus has it.
func Label(key string) string {
	return strings.Map(func(r rune) rune {
		if plain(r) {
			return r
		}

		return '_'
	}, key)
}

// plain reports whether names have r as it is.
func plain(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// placeholder is an instrument in an expression, or one of labelSets.
var placeholder = regexp.MustCompile(`<[a-z]+(?:[._][a-z]+)*>`)

// labelSets are what expressions are grouped by.
var labelSets = map[string]string{
	"<place>": strings.Join([]string{"job", "instance", Label(instrument.KeyName), Label(instrument.KeyShard)}, ", "),
	"<queue>": strings.Join([]string{"job", Label(instrument.KeyName), Label(instrument.KeyShard)}, ", "),
	"<name>":  Label(instrument.KeyName),
	"<shard>": Label(instrument.KeyShard),
}

// expand puts names as Prometheus has them in the place of those of the table,
// which stand in angle brackets: "<taskqueue.leased>" is taskqueue_leased_total.
// It panics if there is no such instrument.
func expand(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		if set, ok := labelSets[p]; ok {
			return set
		}
		name := instrument.Name(strings.Trim(p, "<>"))
		i := slices.IndexFunc(instrument.Table, func(s instrument.Spec) bool { return s.Name == name })
		if i < 0 {
			panic(fmt.Sprintf("monitoring: no instrument %s", p))
		}

		return Exposed(instrument.Table[i])
	})
}

// window is a range in an expression.
var window = regexp.MustCompile(`\[(\d+[smh])\]`)

// expr expands an expression of a rule.
func (s *sheets) expr(text string) string {
	return window.ReplaceAllStringFunc(expand(text), func(w string) string {
		d, err := time.ParseDuration(strings.Trim(w, "[]"))
		if err != nil {
			panic(err) // the pattern lets nothing else through
		}

		return "[" + s.span(d) + "]"
	})
}

// promDuration spells d as Prometheus reads it, which knows no fractions.
func promDuration(d time.Duration) string {
	units := []struct {
		of   time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for _, u := range units {
		if d >= u.of && d%u.of == 0 {
			return strconv.FormatInt(int64(d/u.of), 10) + u.name
		}
	}

	return strconv.FormatInt(max(d.Milliseconds(), 1), 10) + "ms"
}

// number spells f without an exponent.
func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
