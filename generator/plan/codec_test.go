package plan

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/generator/load"
	"github.com/tqgen/tqgen/generator/model"
)

// planned gives the codec of type T in src, a file without its package clause.
func planned(t *testing.T, src string) model.Codec {
	t.Helper()
	codec, diags := planSource(t, src)
	if len(diags) > 0 {
		t.Fatal(diags)
	}

	return codec
}

func planSource(t *testing.T, src string) (model.Codec, diag.List) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", "package pay\n"+src, 0)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check("example.com/pay", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}

	object := pkg.Scope().Lookup("T").(*types.TypeName)
	p := &planner{
		run:    &run{prog: &load.Program{Fset: fset}},
		target: &load.Target{Package: &load.Package{Path: pkg.Path(), Name: pkg.Name(), Types: pkg}, Object: object},
		scope:  newScope("example.com/pay/tqueue", nil, ""),
	}
	codec, _, _ := p.codecTypes(object.Type().(*types.Named))

	return codec, p.diags
}

// TestCodecModel shows a whole model.
func TestCodecModel(t *testing.T) {
	t.Parallel()
	got := planned(t, `
	type T struct {
		ID    string    `+"`json:\"id\"`"+`
		Rates []float32 `+"`json:\",omitempty\"`"+`
		note  int
	}`)
	id := model.Field{
		Name: "id", Constant: `"id":`, Selector: "ID", Path: "id", Origin: "name from json tag",
		Elem: model.Elem{Kind: model.String, Type: "string", GoType: "string", Basic: "string"},
	}
	rates := model.Field{
		Name: "Rates", Constant: `"Rates":`, Selector: "Rates", Path: "Rates", Origin: "Go name, omitempty",
		Keep: []model.Test{{Kind: model.HasLength}},
	}
	fields := func(rate model.Elem) *model.Struct {
		rates := rates
		rates.Elem = rate

		return &model.Struct{
			Fields:  []model.Field{id, rates},
			Skipped: []model.Skipped{{Name: "note", Reason: "unexported"}},
		}
	}
	call := model.Elem{Kind: model.Slice, Type: "[]float32", GoType: "[]float32"}
	slice := call
	slice.Elem = &model.Elem{Kind: model.Float, Type: "float32", GoType: "float32", Basic: "float32"}
	root := model.Elem{Kind: model.StructKind, Type: "pay.T", GoType: "pay.T"}

	encoding, decoding := root, root
	appended, decoded := call, call
	appended.Func, appended.CanFail, decoded.Func = "appendFloat32Slice", true, "decodeFloat32Slice"
	encoding.CanFail, encoding.Struct, decoding.Struct = true, fields(appended), fields(decoded)
	failing := slice
	failing.CanFail, failing.Elem = true, &model.Elem{
		Kind: model.Float, Type: "float32", GoType: "float32", Basic: "float32", CanFail: true,
	}
	want := model.Codec{
		Appenders: []model.Func{{Name: "appendT", Elem: encoding}, {Name: "appendFloat32Slice", Elem: failing}},
		Decoders: []model.Func{
			{Name: "decodeT", Table: "tFields", Elem: decoding},
			{Name: "decodeFloat32Slice", Elem: slice},
		},
		Schema: "shape-d8319bedefd1a16f",
		Shape:  `{"Rates":[number],"id":string}`,
		Bytes:  48,
		Held:   model.Held{Kind: model.HeldCall, Func: "sizeT"},
		Sizes: []model.Size{{Name: "sizeT", Held: model.Held{
			Kind: model.HeldStruct, Type: "pay.T",
			Fields: []model.Held{
				{Kind: model.HeldString, Selector: "ID"},
				{Kind: model.HeldSlice, Selector: "Rates", Bytes: 4},
			},
		}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestCodecDominance holds the rules of embedding against their outcome.
func TestCodecDominance(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, want string }{
		"less deep wins": {
			`type T struct { A; X int }; type A struct { X, Y int }`,
			"Y=A.Y X=X -A.X",
		},
		"tagged wins at one depth": {
			"type T struct { A; B }; type A struct { X int }; type B struct { Z int `json:\"X\"` }",
			"X=B.Z -A.X",
		},
		"two of one rank vanish": {
			`type T struct { A; B }; type A struct { X int }; type B struct { X int }`,
			"-A.X -B.X",
		},
		"deeper than two that vanish stays away": {
			`type T struct { A; B; C }; type A struct { X int }; type B struct { X int }
			type C struct { D }; type D struct { X int }`,
			"-A.X -B.X -C.D.X",
		},
		"embedded twice at one depth annihilates itself": {
			`type T struct { A; B }; type A struct { C }; type B struct { C }; type C struct { X int }`,
			"-A.C.X",
		},
		"embedded again deeper does not": {
			`type T struct { C; B }; type B struct { C }; type C struct { X int }`,
			"X=C.X",
		},
		"a tag makes an embedded struct a member": {
			"type T struct { A `json:\"a\"` }; type A struct { X int }",
			"a=A",
		},
		"an embedded type that is no struct is a member": {
			`type T struct { A; *B; c }; type A int; type B string; type c int`,
			"A=A B=B -c",
		},
		"an unexported embedded struct promotes": {
			`type T struct { a }; type a struct { X int; y int }`,
			"X=X -a.y",
		},
		"a dash hides": {
			"type T struct { X int `json:\"-\"`; Y int `json:\"-,\"`; A `json:\"-\"` }; type A struct { Z int }",
			"-=Y -X -A",
		},
		"bad names fall back": {
			"type T struct { X int `json:\"a\\\\b\"`; Y int `json:\"a,b\"`; Z int `json:\"ä!#\"` }",
			"X=X a=Y ä!#=Z",
		},
		"a struct that embeds itself": {
			`type T struct { *T; X int }`,
			"X=X",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			codec := planned(t, c.src)
			s := codec.Appenders[0].Elem.Struct
			var list []string
			for _, f := range s.Fields {
				list = append(list, f.Name+"="+f.Selector)
			}
			for _, k := range s.Skipped {
				list = append(list, "-"+k.Name)
			}
			if got := strings.Join(list, " "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestCodecFunctions shows which functions there are, and which of them can
// fail (!) or reach themselves (@).
func TestCodecFunctions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ src, want string }{
		"plain": {
			`type T struct { A Peer; B []Peer; C []string; D map[string]string }; type Peer struct { ID string }`,
			"appendT appendPeer appendPeerSlice decodeT decodePeer decodePeerSlice",
		},
		"failing": {
			`type T struct { A Peer; B Other }; type Peer struct { F *float64 }; type Other struct { N int }`,
			"appendT! appendPeer! appendOther decodeT decodePeer decodeOther",
		},
		"recursive": {
			`type T struct { L []T; O Other; P *Peer }
			type Other struct { T *T }; type Peer struct { N int }`,
			"appendT!@ appendTSlice!@ appendOther!@ appendPeer decodeT decodeTSlice decodeOther decodePeer",
		},
		"method that needs an address": {
			`type T struct { A Holder; M map[string]Holder }
			type Holder struct { P Pointer }; type Pointer struct { N int }
			func (p *Pointer) MarshalJSON() ([]byte, error) { return nil, nil }`,
			"appendT! appendHolder! appendPointer! appendHolderMap appendHolderInMap appendPointerInMap " +
				"decodeT decodeHolder decodePointer decodeHolderMap",
		},
		"one direction": {
			`type T struct { A Read; B Write }; type Read struct { N int }; type Write struct { N int }
			func (r *Read) UnmarshalJSON([]byte) error { return nil }
			func (w Write) MarshalText() ([]byte, error) { return nil, nil }`,
			"appendT! appendRead appendWrite! decodeT decodeWrite",
		},
		"payload with methods": {
			`type T struct { C chan int }
			func (t T) MarshalJSON() ([]byte, error) { return nil, nil }
			func (t *T) UnmarshalJSON([]byte) error { return nil }`,
			"appendT! decodeT",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			codec := planned(t, c.src)
			var list []string
			for _, f := range append(codec.Appenders, codec.Decoders...) {
				text := f.Name
				if f.Elem.CanFail {
					text += "!"
				}
				if f.Elem.Recursive {
					text += "@"
				}
				list = append(list, text)
			}
			if got := strings.Join(list, " "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestGoType holds our spelling of types against that of reflect.
func TestGoType(t *testing.T) {
	t.Parallel()
	src := `
	import "time"
	type T struct {
		A map[string][]*Box[T]
		B [3]struct { X byte ` + "`json:\"x\"`" + `; Y rune }
		C time.Duration
		D struct{}
		E Pair[int, time.Time]
	}
	type Box[A any] struct { V A }
	type Pair[A, B any] struct { V A; W B }`
	codec := planned(t, src)
	var got []string
	for _, f := range codec.Decoders[0].Elem.Struct.Fields {
		got = append(got, f.Elem.GoType)
	}
	want := []string{
		"map[string][]*pay.Box[example.com/pay.T]",
		`[3]struct { X uint8 "json:\"x\""; Y int32 }`,
		"time.Duration",
		"struct {}",
		"pay.Pair[int,time.Time]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestManyFieldsAreSplit shows that no function looks at more than PartSize.
func TestManyFieldsAreSplit(t *testing.T) {
	t.Parallel()
	for fields, want := range map[int]int{1: 0, model.PartSize: 0, model.PartSize + 1: 2, 3 * model.PartSize: 3} {
		src := "type T struct {\n"
		for i := range fields {
			src += fmt.Sprintf("F%d int\n", i)
		}
		codec := planned(t, src+"}")
		if got := len(codec.Appenders[0].Parts); got != want {
			t.Errorf("%d fields: %d parts to append, want %d", fields, got, want)
		}
		if got := len(codec.Decoders[0].Parts); got != want {
			t.Errorf("%d fields: %d parts to decode, want %d", fields, got, want)
		}
	}
}

// TestNeverWritten shows that a member that is never written leaves no function
// behind, and that what others call stays.
func TestNeverWritten(t *testing.T) {
	t.Parallel()
	codec := planned(t, `
	type T struct {
		A [0]Peer `+"`json:\",omitempty\"`"+`
		B [0][]int `+"`json:\",omitzero\"`"+`
		C Other
		D List `+"`json:\",omitzero\"`"+`
	}
	type Peer struct { O Other; L List `+"`json:\",omitzero\"`"+` }
	type Other struct { N int }
	type List struct { S []int }`)
	var got []string
	for _, f := range codec.Appenders {
		got = append(got, f.Name)
	}
	for _, z := range codec.Zeros {
		got = append(got, z.Name)
	}
	want := []string{"appendT", "appendOther", "appendList", "appendIntSlice", "isZeroList"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
