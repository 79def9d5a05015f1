package main

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// style is how a piece of text looks.
type style int

const (
	plainText style = iota
	dim
	strong
	good
	bad
	chosen
)

// styled is s, clean, in a style.
func styled(s string, st style) string {
	switch st {
	case dim:
		return ansi.NewStyle().Faint().Styled(s)
	case strong:
		return ansi.NewStyle().Bold().Styled(s)
	case good:
		return ansi.NewStyle().ForegroundColor(ansi.Green).Styled(s)
	case bad:
		return ansi.NewStyle().Bold().ForegroundColor(ansi.Red).Styled(s)
	case chosen:
		return ansi.NewStyle().Reverse(true).Styled(s)
	default:
		return s
	}
}

// column is one of a table.
type column struct {
	title string
	right bool // its texts end at the same place
	rank  int  // where there is no room for all, the highest goes first; 0 never goes, and is cut
}

// cell is a text of a table.
type cell struct {
	text  string
	style style
}

// row is a line of a table.
type row struct {
	key   string
	cells []cell
}

// table is what can be shown as one.
type table struct {
	columns []column
	rows    []row
	none    string // what to say if there are no rows
}

// between is between two columns.
const between = "  "

// layout says how wide each column is in so much room; 0 is left out, as those
// without any text are.
func (t *table) layout(width int) []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		for _, r := range t.rows {
			widths[i] = max(widths[i], ansi.StringWidth(r.cells[i].text))
		}
		if widths[i] > 0 {
			widths[i] = max(widths[i], ansi.StringWidth(c.title))
		}
	}
	for total(widths) > width {
		last, rank := -1, 0
		for i, c := range t.columns {
			if widths[i] > 0 && c.rank > rank {
				last, rank = i, c.rank
			}
		}
		if last < 0 {
			t.cut(widths, width)
			break
		}
		widths[last] = 0
	}

	return widths
}

// cut takes what is too much from the widest of the columns that never go.
func (t *table) cut(widths []int, width int) {
	for total(widths) > width {
		widest := 0
		for i := range widths {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= 1 {
			return
		}
		widths[widest]--
	}
}

func total(widths []int) int {
	sum := 0
	for _, w := range widths {
		if w > 0 {
			sum += w + len(between)
		}
	}

	return max(0, sum-len(between))
}

// head is the line of titles.
func (t *table) head(widths []int) string {
	cells := make([]string, 0, len(widths))
	for i, c := range t.columns {
		if widths[i] > 0 {
			cells = append(cells, fit(c.title, widths[i], c.right))
		}
	}

	return strings.TrimRight(strings.Join(cells, between), " ")
}

// line is one row. A chosen one has no other style.
func (t *table) line(r row, widths []int, isChosen, isStyled bool) string {
	cells := make([]string, 0, len(widths))
	for i, c := range t.columns {
		if widths[i] == 0 {
			continue
		}
		text := fit(r.cells[i].text, widths[i], c.right)
		if isStyled && !isChosen {
			text = styled(text, r.cells[i].style)
		}
		cells = append(cells, text)
	}
	line := strings.Join(cells, between)
	if isChosen {
		return styled(line, chosen)
	}

	return strings.TrimRight(line, " ")
}

// text is the whole table without styles.
func (t *table) text(width int) string {
	if len(t.rows) == 0 {
		return t.none + "\n"
	}
	widths := t.layout(width)
	var b strings.Builder
	b.WriteString(t.head(widths) + "\n")
	for _, r := range t.rows {
		b.WriteString(t.line(r, widths, false, false) + "\n")
	}

	return b.String()
}
