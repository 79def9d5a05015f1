package load

import (
	"go/build/constraint"
	"path/filepath"
	"strings"
)

// constraintOf gives the build constraint of a file, "" if it has none: that of
// its //go:build line, and that of a name such as lease_linux_arm64.go.
func constraintOf(s *source) string {
	var x constraint.Expr
	for _, g := range s.ast.Comments {
		if g.Pos() > s.ast.Package {
			break
		}
		for _, c := range g.List {
			if !constraint.IsGoBuild(c.Text) {
				continue
			}
			if line, err := constraint.Parse(c.Text); err == nil && x == nil {
				x = line
			}
		}
	}
	for _, tag := range nameTags(filepath.Base(s.path)) {
		t := constraint.Expr(&constraint.TagExpr{Tag: tag})
		switch {
		case x == nil:
			x = t
		case !demands(x, tag):
			x = &constraint.AndExpr{X: t, Y: x}
		}
	}
	if x == nil {
		return ""
	}

	return x.String()
}

// demands reports whether x cannot hold without tag because it says so itself:
// the tag stands alone, or joined to others by &&.
func demands(x constraint.Expr, tag string) bool {
	switch x := x.(type) {
	case *constraint.TagExpr:
		return x.Tag == tag
	case *constraint.AndExpr:
		return demands(x.X, tag) || demands(x.Y, tag)
	default:
		return false
	}
}

// nameTags gives the tags that a file's name implies, innermost first, by the
// rule of the go command: name_GOOS_GOARCH, name_GOOS or name_GOARCH.
func nameTags(base string) (tags []string) {
	name, _, _ := strings.Cut(base, ".")
	_, name, ok := strings.Cut(name, "_") // what stands before it is never a tag
	if !ok {
		return nil
	}
	parts := strings.Split(name, "_")
	last := parts[len(parts)-1]
	switch {
	case knownArch[last]:
		tags = append(tags, last)
		if n := len(parts); n > 1 && knownOS[parts[n-2]] {
			tags = append(tags, parts[n-2])
		}
	case knownOS[last]:
		tags = append(tags, last)
	}

	return tags
}

// The systems and architectures that the go command knows in file names, past
// and future ones included.
var (
	knownOS = set(`aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9
		solaris wasip1 windows zos`)
	knownArch = set(`386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32
		mips64p32le ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm`)
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}

	return m
}
