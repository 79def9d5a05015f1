package load

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"

	"github.com/tqgen/tqgen/generator/directive"
)

// The result of an effect is a type that only a directive names. It is checked
// as what it would be if the file declared it below the payload: an alias,
// under a name no Go code can have.

// effectName is that name, which is also what errors call it.
func effectName(payload, effect string) string { return "effect " + effect + " of " + payload }

// EffectResult is the type that an effect of the target gives, nil if its
// directive names none that parses. The type is invalid if that was reported.
func (t *Target) EffectResult(effect string) types.Type {
	object := t.Package.Types.Scope().Lookup(effectName(t.Spec.Name.Name, effect))
	if object == nil {
		return nil
	}
	if alias, ok := object.Type().(*types.Alias); ok {
		return alias.Rhs()
	}

	return object.Type()
}

// effects declares the results of the effects that types of the file have.
func (s *source) effects() {
	if s.found == nil {
		return
	}
	for _, t := range s.found.Types {
		for _, d := range t.Directives {
			if d.Name == "effect" {
				s.effect(t.Spec.Name.Name, d)
			}
		}
	}
}

func (s *source) effect(payload string, d directive.Directive) {
	name, _ := d.Arg("name")
	result, ok := d.Arg("result")
	declared := effectName(payload, name.Value)
	if !ok || len(s.unit.decls[declared]) > 0 {
		return
	}
	expr, err := parser.ParseExpr(result.Value)
	if err != nil {
		return
	}
	shift(expr, result.ValuePos-expr.Pos())
	id := &ast.Ident{NamePos: result.ValuePos, Name: declared}
	one := &decl{
		unit: s.unit, src: s, name: declared,
		gen: &ast.GenDecl{Tok: token.TYPE, TokPos: result.ValuePos, Specs: []ast.Spec{
			&ast.TypeSpec{Name: id, Assign: result.ValuePos, Type: expr},
		}},
	}
	s.add(one, id)
	s.decls = append(s.decls, one)
}

// effectsOf gives the declarations that stand for the effects of a target.
func (l *loader) effectsOf(t *Target) (decls []*decl) {
	for _, d := range t.Directives {
		if name, ok := d.Arg("name"); ok && d.Name == "effect" {
			decls = append(decls, l.units[t.Package.Path].decls[effectName(t.Spec.Name.Name, name.Value)]...)
		}
	}

	return decls
}

// shift moves a type expression to where its text stands.
func shift(expr ast.Expr, by token.Pos) {
	move := func(list ...*token.Pos) {
		for _, p := range list {
			if p.IsValid() {
				*p += by
			}
		}
	}
	ast.Inspect(expr, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			move(&n.NamePos)
		case *ast.BasicLit:
			move(&n.ValuePos, &n.ValueEnd)
		case *ast.ParenExpr:
			move(&n.Lparen, &n.Rparen)
		case *ast.StarExpr:
			move(&n.Star)
		case *ast.IndexExpr:
			move(&n.Lbrack, &n.Rbrack)
		case *ast.IndexListExpr:
			move(&n.Lbrack, &n.Rbrack)
		case *ast.ArrayType:
			move(&n.Lbrack)
		case *ast.MapType:
			move(&n.Map)
		case *ast.ChanType:
			move(&n.Begin, &n.Arrow)
		case *ast.FuncType:
			move(&n.Func)
		case *ast.InterfaceType:
			move(&n.Interface)
		case *ast.StructType:
			move(&n.Struct)
		case *ast.FieldList:
			move(&n.Opening, &n.Closing)
		}

		return true
	})
}
