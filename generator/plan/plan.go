// Package plan decides everything about the output: it validates annotated
// types, applies defaults, fixes every name and turns go/types into the model.
// It is the last place where an input can be refused.
package plan

import (
	"go/token"
	"go/types"
	"math/bits"
	"slices"
	"strings"

	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/generator/directive"
	"github.com/tqgen/tqgen/generator/load"
	"github.com/tqgen/tqgen/generator/model"
)

// Plan turns what was loaded into one model a payload, sorted as prog.Targets
// is, behind those of the codecs that payloads share. Types with a problem are
// left out; diags says why.
func Plan(prog *load.Program) (queues []*model.Queue, diags diag.List) {
	r := &run{
		prog:    prog,
		folders: map[string]claim{},
		claimed: map[string]map[string]bool{},
		strays:  map[token.Pos]bool{},
		codecs:  codecsOf(prog),
	}

	for _, target := range slices.Concat(prog.Targets, prog.Codecs) {
		if d, ok := target.Directive("codec"); ok {
			if q := r.planCodec(target, d); q != nil {
				queues = append(queues, q)
			}
		}
	}
	for _, target := range prog.Targets {
		r.withoutQueue(target)
		if d, ok := target.Directive("queue"); ok {
			if q := r.plan(target, d); q != nil {
				queues = append(queues, q)
			}
		}
	}
	r.diags.Sort()

	return queues, r.diags
}

// run is what the payloads of one run share.
type run struct {
	prog    *load.Program
	diags   diag.List
	folders map[string]claim           // by the folder in lower case, or with out=. the files' prefix
	claimed map[string]map[string]bool // names declared by out=. so far, by package path
	strays  map[token.Pos]bool         // fields whose label has been reported as misplaced
	codecs  map[token.Pos]*load.Target // types with a codec of their own, by the position of their name
}

// claim is the output of a payload that was planned before.
type claim struct {
	target *load.Target
	dir    string
}

// planner is the state of planning one payload.
type planner struct {
	*run
	target    *load.Target
	scope     *scope
	codecOnly bool // of tqgen:codec: there is no queue
	shared    bool // another payload has the same output files
	guards    []model.Guard
	guarded   map[string]bool // types that have a guard, as the output spells them
}

// plan gives the model of one payload, or nil if it has a problem.
func (r *run) plan(target *load.Target, d directive.Directive) *model.Queue {
	before := len(r.diags)
	p := &planner{run: r, target: target, guarded: map[string]bool{}}
	args := argumentsOf(d)
	name := p.queueName(args, target.Object.Name())
	policy := p.policy(args)
	out := p.output(args)
	names := p.declare(args, out)

	named, isNamed := types.Unalias(target.Object.Type()).(*types.Named)
	if !p.placement() || !isNamed {
		return nil
	}
	payload := model.Payload{
		Name:    target.Object.Name(),
		Type:    p.scope.typeString(target.Object.Type()),
		Article: article(target.Object.Name()),
		Fields:  p.logFields(named),
		Labels:  p.labels(named),
	}
	codec, effects, known := p.codecTypes(named)
	codec.SharedStrings = p.sharedStrings(args)
	p.guard(known)
	p.reachable(args)
	if len(r.diags) > before {
		return nil
	}
	payload.ChunkBits = chunkBits(named)
	payload.MemoryOnly = memoryOnly(named)

	return &model.Queue{
		Source:     target.Package.Path + "." + target.Object.Name(),
		Name:       name,
		Package:    out,
		Payload:    payload,
		Imports:    p.scope.importList(),
		Names:      names,
		Policy:     policy,
		Codec:      codec,
		Effects:    effects,
		Guards:     p.guards,
		Constraint: target.Constraint,
	}
}

// errorf reports a problem at pos.
func (r *run) errorf(pos token.Pos, code diag.Code, format string, args ...any) *diag.Diagnostic {
	return r.diags.Addf(r.prog.Position(pos), code, format, args...)
}

// article is the one that goes before name in a sentence: "an" before a vowel,
// and before initials that are spoken with one.
func article(name string) string {
	initials := len(name) > 1 && name[1] >= 'A' && name[1] <= 'Z'
	if strings.IndexByte("AEIO", name[0]) >= 0 || initials && strings.IndexByte("FHLMNRSX", name[0]) >= 0 {
		return "an"
	}

	return "a"
}

// chunkBytes is about what one chunk of storage takes.
const chunkBytes = 64 << 10

// chunkBits says how many payloads of type t, as a power of two, make a chunk
// of storage: as many as fit, up to 1,024. Sizes are those of a 64-bit machine
// wherever tqgen runs.
func chunkBits(t types.Type) int {
	size := max(types.SizesFor("gc", "amd64").Sizeof(t), 1)

	return min(max(bits.Len64(chunkBytes/uint64(size))-1, 0), 10)
}

// memoryOnly lists the payload's fields that are not in its JSON form.
func memoryOnly(t types.Type) []string {
	s, ok := t.Underlying().(*types.Struct)
	if !ok {
		return nil
	}

	var names []string
	for i := range s.NumFields() {
		f := s.Field(i)
		name, _ := jsonName(s.Tag(i), f.Name())
		if name == "" || !f.Exported() && !f.Embedded() {
			names = append(names, f.Name())
		}
	}

	return names
}
