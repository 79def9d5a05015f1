package plan

import (
	"go/types"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/generator/model"
)

func TestWords(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct{ name, kebab, snake, unexported string }{
		{"ResourceLease", "resource-lease", "resource_lease", "resourceLease"},
		{"HTTPRequest", "http-request", "http_request", "httpRequest"},
		{"Email", "email", "email", "email"},
		{"V2Email", "v2-email", "v2_email", "v2Email"},
		{"URL", "url", "url", "url"},
		{"UserID", "user-id", "user_id", "userID"},
		{"A_B", "a-b", "a_b", "a_B"},
		{"Ärger", "ärger", "ärger", "ärger"},
	} {
		got := struct{ name, kebab, snake, unexported string }{tt.name, kebab(tt.name), snake(tt.name), lowerFirst(tt.name)}
		if got != tt {
			t.Errorf("got %q, want %q", got, tt)
		}
	}
}

func TestScopeImports(t *testing.T) {
	t.Parallel()

	s := newScope("example.test/svc/lease/leasequeue", nil, "")
	for _, tt := range []struct{ path, name, want string }{
		{"example.test/svc/lease", "lease", "lease"},
		{"example.test/other/lease", "lease", "leasepkg"},
		{"example.test/third/lease", "lease", "leasepkg2"},
		{"example.test/svc/lease", "lease", "lease"}, // known by now
		{"example.test/time", "time", "timepkg"},     // a package of the templates
		{"time", "time", "time"},
		{"example.test/q", "q", "qpkg"},                // a local of the templates
		{"example.test/string", "string", "stringpkg"}, // predeclared
		{"example.test/init", "init", "initpkg"},       // no import can have it
		{"example.test/main", "main", "mainpkg"},
	} {
		if got := s.use(tt.path, tt.name); got != tt.want {
			t.Errorf("use(%q, %q) = %q, want %q", tt.path, tt.name, got, tt.want)
		}
	}
}

func TestImportIsSpelledWhereThePathMisleads(t *testing.T) {
	t.Parallel()

	s := newScope("example.test/out", nil, "")
	s.use("gopkg.in/yaml.v3", "yaml")
	s.use("example.test/pgx/v5", "pgx")
	s.use("example.test/go-peer", "peer")
	for path, want := range map[string]model.Import{
		"gopkg.in/yaml.v3":     {Name: "yaml", Path: "gopkg.in/yaml.v3", Spelled: true},
		"example.test/pgx/v5":  {Name: "pgx", Path: "example.test/pgx/v5"},
		"example.test/go-peer": {Name: "peer", Path: "example.test/go-peer", Spelled: true},
		"log/slog":             {Name: "slog", Path: "log/slog"},
	} {
		if diff := cmp.Diff(want, s.imports[path]); diff != "" {
			t.Errorf("import of %s (-want +got):\n%s", path, diff)
		}
	}
}

func TestScopeFunctions(t *testing.T) {
	t.Parallel()

	s := newScope("example.test/out", nil, "")
	for _, tt := range []struct{ want, got string }{
		{"appendPeer", "appendPeer"},
		{"appendPeer", "appendPeer2"},
		{"len", "len2"}, // predeclared
		{"q", "q2"},     // a local of the templates
		{"type", "type2"},
		{"tq", "tq2"},
	} {
		if got := s.function(tt.want); got != tt.got {
			t.Errorf("function(%q) = %q, want %q", tt.want, got, tt.got)
		}
	}
}

func TestScopeWithinThePayloadsPackage(t *testing.T) {
	t.Parallel()

	own := types.NewPackage("example.test/lease", "lease")
	own.Scope().Insert(types.NewTypeName(0, own, "Peer", nil))
	own.Scope().Insert(types.NewVar(0, own, "other", types.Typ[types.Int]))
	peer := types.NewNamed(types.NewTypeName(0, own, "Node", nil), types.Typ[types.Int], nil)

	s := newScope(own.Path(), own, "ResourceLease")
	if got := s.typeString(types.NewPointer(peer)); got != "*Node" {
		t.Errorf("type of the package is spelled %q, want *Node", got)
	}
	if got := s.function("appendPeer"); got != "resourceLeaseAppendPeer" {
		t.Errorf("function is named %q, want resourceLeaseAppendPeer", got)
	}
	if got := s.use("example.test/other", "other"); got != "otherpkg" {
		t.Errorf("import that a variable of the package would hide is named %q, want otherpkg", got)
	}
}

func TestInternal(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		from, path string
		want       bool
	}{
		{"example.test/a/out", "example.test/a/pay", true},
		{"example.test/a/out", "example.test/a/internal/pay", true},
		{"example.test/b/out", "example.test/a/internal/pay", false},
		{"example.test/ab/out", "example.test/a/internal/pay", false},
		{"example.test/a", "example.test/a/internal", true},
		{"example.test/a/internal/x", "example.test/a/internal/b/internal/pay", false},
		{"example.test/a/internal/b/out", "example.test/a/internal/b/internal/pay", true},
		{"example.test/a", "example.test/internalised/pay", true},
	} {
		if got := canImport(tt.from, tt.path); got != tt.want {
			t.Errorf("canImport(%q, %q) = %t, want %t", tt.from, tt.path, got, tt.want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		what        func(string) string
		text, fault string
	}{
		{nameFault, "resource-lease", ""},
		{nameFault, "orders/eu v1.2_x", ""},
		{nameFault, "", "is not empty"},
		{nameFault, " a", "does not begin or end with a space"},
		{nameFault, "a:b", "has no ':' in it"},
		{nameFault, "a\"b", `has no '"' in it`},
		{packageFault, "leasequeue", ""},
		{packageFault, "func", "a package cannot be named like a keyword"},
		{packageFault, "len", "a package cannot be named like a predeclared identifier"},
		{packageFault, "main", "package main cannot be imported"},
		{packageFault, "lease-queue", "a package name is a Go identifier"},
		{packageFault, "_", "a package name is a Go identifier"},
		{packageFault, "lease_test", "a package name that ends in _test is for tests"},
		{folderFault, "../queues/lease", ""},
		{folderFault, "/tmp/x", "the folder is absolute"},
		{folderFault, "", "the folder is empty"},
		{folderFault, `a\b`, "folders are separated by /"},
		{folderFault, "./.hidden", "the go command does not see folders that begin with . or _"},
		{folderFault, "a/vendor/b", "packages in a folder named vendor cannot be imported or are not seen"},
		{folderFault, "a b", "an import path has no ' ' in it"},
	} {
		if got := tt.what(tt.text); got != tt.fault {
			t.Errorf("%q: fault is %q, want %q", tt.text, got, tt.fault)
		}
	}
}
