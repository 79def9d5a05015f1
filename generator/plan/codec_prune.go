package plan

import (
	"slices"

	"github.com/tqgen/tqgen/generator/model"
)

// prune drops the functions that nothing calls: those of members that are never
// written, which are planned all the same, so that what is wrong with their
// types is found.
func prune(codec *model.Codec, effects []model.Effect) {
	p := pruner{codec: codec, live: map[string]bool{}}
	p.appender(codec.Appenders[0].Name)
	for i := range effects {
		p.elem(&effects[i].Append)
	}
	codec.Appenders = slices.DeleteFunc(codec.Appenders, func(f model.Func) bool { return !p.live[f.Name] })
	codec.Zeros = slices.DeleteFunc(codec.Zeros, func(z model.Zero) bool { return !p.live[z.Name] })
}

type pruner struct {
	codec *model.Codec
	live  map[string]bool // functions by name
}

func (p *pruner) appender(name string) {
	if p.live[name] {
		return
	}
	for i := range p.codec.Appenders {
		if f := &p.codec.Appenders[i]; f.Name == name {
			p.live[name] = true
			p.elem(&f.Elem)
		}
	}
}

func (p *pruner) elem(e *model.Elem) {
	if e.Func != "" {
		p.appender(e.Func)
	}
	if e.Elem != nil {
		p.elem(e.Elem)
	}
	if e.Struct == nil {
		return
	}
	for i := range e.Struct.Fields {
		f := &e.Struct.Fields[i]
		if f.Never() {
			continue
		}
		p.elem(&f.Elem)
		for _, t := range f.Keep {
			p.zero(t.Func)
		}
	}
}

func (p *pruner) zero(name string) {
	if p.live[name] {
		return
	}
	for i := range p.codec.Zeros {
		if z := &p.codec.Zeros[i]; z.Name == name {
			p.live[name] = true
			for _, part := range z.Parts {
				p.zero(part.Test.Func)
			}
		}
	}
}
