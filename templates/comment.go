package templates

import (
	"strings"
	"unicode/utf8"
)

// docWidth is the column at which doc comments are wrapped.
const docWidth = 80

// wrap gives text as comment lines, markers included. Paragraphs are separated
// by an empty line; a line that starts with a tab or "  - " is kept as it is.
func wrap(text string, width int) []string {
	var lines []string
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 {
			lines = append(lines, "//")
		}
		lines = append(lines, wrapParagraph(paragraph, width)...)
	}

	return lines
}

func wrapParagraph(paragraph string, width int) []string {
	if strings.HasPrefix(paragraph, "\t") || strings.HasPrefix(paragraph, "  - ") {
		return verbatim(paragraph)
	}

	var lines []string
	line := "//"
	for word := range strings.FieldsSeq(paragraph) {
		if len(line) > len("//") && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = "//"
		}
		line += " " + word
	}

	return append(lines, line)
}

func verbatim(paragraph string) []string {
	var lines []string
	for line := range strings.Lines(paragraph) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, "\t") {
			line = " " + line
		}
		lines = append(lines, "//"+line)
	}

	return lines
}
