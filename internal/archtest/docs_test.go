package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	// quotation is a code block below a comment that names the file it shows.
	quotation = regexp.MustCompile("(?ms)^<!-- file: (\\S+) -->\n```[a-z]*\n(.*?)^```$")
	goBlock   = regexp.MustCompile("(?m)^```go$")
	link      = regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)]*))?\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	unlinked  = regexp.MustCompile(`[^a-z0-9 _-]`)
	command   = regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)")
	target    = regexp.MustCompile(`(?m)^([a-z]+):.*## `)
)

// TestQuotedFiles holds the Go code of the README and of the quickstart to files
// that are compiled: each block names its file and equals it.
func TestQuotedFiles(t *testing.T) {
	t.Parallel()
	for _, document := range []string{"README.md", "docs/quickstart.md"} {
		text := read(t, document)
		quoted := quotation.FindAllStringSubmatch(text, -1)
		if blocks := len(goBlock.FindAllString(text, -1)); blocks == 0 || blocks > len(quoted) {
			t.Errorf("%s has %d blocks of Go and quotes %d files", document, blocks, len(quoted))
		}
		for _, q := range quoted {
			if diff := cmp.Diff(read(t, q[1]), q[2]); diff != "" {
				t.Errorf("%s quotes %s otherwise (-file +document):\n%s", document, q[1], diff)
			}
		}
	}
}

// TestDocsLead holds relative links, anchors and make targets of the documents
// to what there is.
func TestDocsLead(t *testing.T) {
	t.Parallel()
	var targets []string
	for _, m := range target.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets = append(targets, m[1])
	}
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			if err := leads(path, string(m[1]), string(m[2])); err != nil {
				t.Errorf("%s: a link leads nowhere: %v", filepath.Base(path), err)
			}
		}
		for _, m := range command.FindAllSubmatch(text, -1) {
			if !slices.Contains(targets, string(m[1])) {
				t.Errorf("%s: make has no target %s", filepath.Base(path), m[1])
			}
		}
	}
}

// documents are all there are in the repository.
func documents(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			all = append(all, path)
		}

		return nil
	})
	if err != nil || len(all) < 20 {
		t.Fatalf("there are %d documents: %v", len(all), err)
	}

	return all
}

// leads says what is wrong with a link of the document at from, if anything.
func leads(from, to, anchor string) error {
	if to != "" {
		from = filepath.Join(filepath.Dir(from), filepath.FromSlash(to))
	}
	if anchor == "" {
		_, err := os.Stat(from)
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	for _, m := range heading.FindAllSubmatch(text, -1) {
		// As the sites that render Markdown name their headings.
		slug := unlinked.ReplaceAllString(strings.ToLower(string(m[1])), "")
		if strings.ReplaceAll(slug, " ", "-") == anchor {
			return nil
		}
	}

	return fmt.Errorf("%s has no heading for #%s", filepath.Base(from), anchor)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}

	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
