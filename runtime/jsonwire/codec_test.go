package jsonwire

import (
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The types of the differential tests, with codecs of the shape the generator
// gives them. encoding/json works on the same types by reflection.

type (
	color  int32
	region string
	octets []byte
)

type scalars struct {
	S   string          `json:"s"`
	B   bool            `json:"b"`
	I   int             `json:"i"`
	I8  int8            `json:"i8"`
	I16 int16           `json:"i16"`
	I32 color           `json:"i32"`
	I64 int64           `json:"i64"`
	U   uint            `json:"u"`
	U8  uint8           `json:"u8"`
	U16 uint16          `json:"u16"`
	U32 uint32          `json:"u32"`
	U64 uint64          `json:"u64"`
	UP  uintptr         `json:"up"`
	F32 float32         `json:"f32"`
	F64 float64         `json:"f64"`
	D   time.Duration   `json:"d"`
	T   time.Time       `json:"t"`
	BS  octets          `json:"bs"`
	Raw json.RawMessage `json:"raw"`
	N   json.Number     `json:"n"`
	R   region          `json:"Kſ"`
}

var scalarsFields = Fields{Names: []string{
	"s", "b", "i", "i8", "i16", "i32", "i64", "u", "u8", "u16", "u32", "u64",
	"up", "f32", "f64", "d", "t", "bs", "raw", "n", "Kſ",
}}

func decodeScalars(r *Reader, i int, p *scalars) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &scalarsFields) {
		if v := r.First(i, "s"); v > 0 {
			i = r.String(v, &p.S)
		}
		if v := r.Then(i, "b"); v > 0 {
			i = r.Bool(v, &p.B)
		}
		if v := r.Then(i, "i"); v > 0 {
			i = r.Int(v, &p.I)
		}
		if v := r.Then(i, "i8"); v > 0 {
			i = r.Int8(v, &p.I8)
		}
		if v := r.Then(i, "i16"); v > 0 {
			i = r.Int16(v, &p.I16)
		}
		if v := r.Then(i, "i32"); v > 0 {
			i = r.Int32(v, (*int32)(&p.I32))
		}
		if v := r.Then(i, "i64"); v > 0 {
			i = r.Int64(v, &p.I64)
		}
		if v := r.Then(i, "u"); v > 0 {
			i = r.Uint(v, &p.U)
		}
		if v := r.Then(i, "u8"); v > 0 {
			i = r.Uint8(v, &p.U8)
		}
		if v := r.Then(i, "u16"); v > 0 {
			i = r.Uint16(v, &p.U16)
		}
		if v := r.Then(i, "u32"); v > 0 {
			i = r.Uint32(v, &p.U32)
		}
		if v := r.Then(i, "u64"); v > 0 {
			i = r.Uint64(v, &p.U64)
		}
		if v := r.Then(i, "up"); v > 0 {
			i = r.Uintptr(v, &p.UP)
		}
		if v := r.Then(i, "f32"); v > 0 {
			i = r.Float32(v, &p.F32)
		}
		if v := r.Then(i, "f64"); v > 0 {
			i = r.Float64(v, &p.F64)
		}
		if v := r.Then(i, "d"); v > 0 {
			i = r.Int64(v, (*int64)(&p.D))
		}
		if v := r.Then(i, "t"); v > 0 {
			i = r.Time(v, &p.T)
		}
		if v := r.Then(i, "bs"); v > 0 {
			i = r.Bytes(v, (*[]byte)(&p.BS))
		}
		if v := r.Then(i, "raw"); v > 0 {
			i = r.RawMessage(v, (*[]byte)(&p.Raw))
		}
		if v := r.Then(i, "n"); v > 0 {
			i = r.Number(v, (*string)(&p.N))
		}
		if v := r.Then(i, "Kſ"); v > 0 {
			i = r.String(v, (*string)(&p.R))
		}
	}

	return i
}

func appendScalars(dst []byte, p *scalars) ([]byte, error) {
	var err error
	dst = append(dst, `{"s":"`...)
	dst = AppendStringBody(dst, p.S)
	dst = append(dst, `","b":`...)
	dst = AppendBool(dst, p.B)
	dst = append(dst, `,"i":`...)
	dst = strconv.AppendInt(dst, int64(p.I), 10)
	dst = append(dst, `,"i8":`...)
	dst = strconv.AppendInt(dst, int64(p.I8), 10)
	dst = append(dst, `,"i16":`...)
	dst = strconv.AppendInt(dst, int64(p.I16), 10)
	dst = append(dst, `,"i32":`...)
	dst = strconv.AppendInt(dst, int64(p.I32), 10)
	dst = append(dst, `,"i64":`...)
	dst = strconv.AppendInt(dst, p.I64, 10)
	dst = append(dst, `,"u":`...)
	dst = strconv.AppendUint(dst, uint64(p.U), 10)
	dst = append(dst, `,"u8":`...)
	dst = strconv.AppendUint(dst, uint64(p.U8), 10)
	dst = append(dst, `,"u16":`...)
	dst = strconv.AppendUint(dst, uint64(p.U16), 10)
	dst = append(dst, `,"u32":`...)
	dst = strconv.AppendUint(dst, uint64(p.U32), 10)
	dst = append(dst, `,"u64":`...)
	dst = strconv.AppendUint(dst, p.U64, 10)
	dst = append(dst, `,"up":`...)
	dst = strconv.AppendUint(dst, uint64(p.UP), 10)
	dst = append(dst, `,"f32":`...)
	if dst, err = AppendFloat32(dst, p.F32); err != nil {
		return dst, err
	}
	dst = append(dst, `,"f64":`...)
	if dst, err = AppendFloat64(dst, p.F64); err != nil {
		return dst, err
	}
	dst = append(dst, `,"d":`...)
	dst = strconv.AppendInt(dst, int64(p.D), 10)
	dst = append(dst, `,"t":`...)
	if dst, err = AppendTime(dst, p.T); err != nil {
		return dst, err
	}
	dst = append(dst, `,"bs":`...)
	dst = AppendBytes(dst, p.BS)
	dst = append(dst, `,"raw":`...)
	if dst, err = AppendRawMessage(dst, p.Raw); err != nil {
		return dst, err
	}
	dst = append(dst, `,"n":`...)
	if dst, err = AppendNumber(dst, string(p.N)); err != nil {
		return dst, err
	}
	dst = append(dst, `,"Kſ":"`...)
	dst = AppendStringBody(dst, string(p.R))

	return append(dst, `"}`...), nil
}

// tree is recursive through pointers, slices and maps.
type tree struct {
	Name string           `json:"name"`
	Size int              `json:"size"`
	Next *tree            `json:"next"`
	List []tree           `json:"list"`
	Refs []*tree          `json:"refs"`
	Kids map[string]tree  `json:"kids"`
	Ptrs map[string]*tree `json:"ptrs"`
	Tags []string         `json:"tags"`
	Bits [][]int8         `json:"bits"`
}

var treeFields = Fields{Names: []string{
	"name", "size", "next", "list", "refs", "kids", "ptrs", "tags", "bits",
}}

func decodeTree(r *Reader, i int, p *tree) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &treeFields) {
		if v := r.First(i, "name"); v > 0 {
			i = r.String(v, &p.Name)
		}
		if v := r.Then(i, "size"); v > 0 {
			i = r.Int(v, &p.Size)
		}
		if v := r.Then(i, "next"); v > 0 {
			i = decodeTreePointer(r, v, &p.Next)
		}
		if v := r.Then(i, "list"); v > 0 {
			i = decodeTreeSlice(r, v, &p.List)
		}
		if v := r.Then(i, "refs"); v > 0 {
			i = decodeTreePointerSlice(r, v, &p.Refs)
		}
		if v := r.Then(i, "kids"); v > 0 {
			i = decodeTreeMap(r, v, &p.Kids)
		}
		if v := r.Then(i, "ptrs"); v > 0 {
			i = decodeTreePointerMap(r, v, &p.Ptrs)
		}
		if v := r.Then(i, "tags"); v > 0 {
			i = r.Strings(v, &p.Tags)
		}
		if v := r.Then(i, "bits"); v > 0 {
			i = decodeBits(r, v, &p.Bits)
		}
	}

	return i
}

func decodeTreePointer(r *Reader, i int, p **tree) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	if *p == nil {
		*p = new(tree)
	}

	return decodeTree(r, i, *p)
}

func decodeTreeSlice(r *Reader, i int, s *[]tree) int {
	if end, null := r.Null(i); null {
		*s = nil
		return end
	}
	v := *s
	a := r.Array(i)
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		a.Pos = decodeTree(r, a.Pos, &v[a.Index])
	}
	if a.Empty() {
		v = []tree{}
	}
	*s = v[:a.Cut(len(v))]

	return a.Pos
}

func decodeTreePointerSlice(r *Reader, i int, s *[]*tree) int {
	if end, null := r.Null(i); null {
		*s = nil
		return end
	}
	v := *s
	a := r.Array(i)
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		a.Pos = decodeTreePointer(r, a.Pos, &v[a.Index])
	}
	if a.Empty() {
		v = []*tree{}
	}
	*s = v[:a.Cut(len(v))]

	return a.Pos
}

func decodeTreeMap(r *Reader, i int, p *map[string]tree) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[string]tree)
	}
	for m.Next() {
		var v tree
		m.Pos = decodeTree(r, m.Pos, &v)
		if k, ok := m.Key(); ok {
			(*p)[k] = v
		}
	}

	return m.Pos
}

func decodeTreePointerMap(r *Reader, i int, p *map[string]*tree) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[string]*tree)
	}
	for m.Next() {
		var v *tree
		m.Pos = decodeTreePointer(r, m.Pos, &v)
		if k, ok := m.Key(); ok {
			(*p)[k] = v
		}
	}

	return m.Pos
}

func decodeBits(r *Reader, i int, s *[][]int8) int {
	if end, null := r.Null(i); null {
		*s = nil
		return end
	}
	v := *s
	a := r.Array(i)
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		a.Pos = decodeInt8s(r, a.Pos, &v[a.Index])
	}
	if a.Empty() {
		v = [][]int8{}
	}
	*s = v[:a.Cut(len(v))]

	return a.Pos
}

func decodeInt8s(r *Reader, i int, s *[]int8) int {
	if end, null := r.Null(i); null {
		*s = nil
		return end
	}
	v := *s
	a := r.Array(i)
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		a.Pos = r.Int8(a.Pos, &v[a.Index])
	}
	if a.Empty() {
		v = []int8{}
	}
	*s = v[:a.Cut(len(v))]

	return a.Pos
}

func appendTree(dst []byte, p *tree, depth int) ([]byte, error) {
	err := CheckDepth(depth)
	if err != nil {
		return dst, err
	}
	dst = append(dst, `{"name":"`...)
	dst = AppendStringBody(dst, p.Name)
	dst = append(dst, `","size":`...)
	dst = strconv.AppendInt(dst, int64(p.Size), 10)
	dst = append(dst, `,"next":`...)
	if dst, err = appendTreePointer(dst, p.Next, depth); err != nil {
		return dst, err
	}
	dst = append(dst, `,"list":`...)
	if p.List == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, '[')
		for i := range p.List {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendTree(dst, &p.List[i], depth+2); err != nil {
				return dst, err
			}
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `,"refs":`...)
	if p.Refs == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, '[')
		for i, ref := range p.Refs {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendTreePointer(dst, ref, depth+1); err != nil {
				return dst, err
			}
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `,"kids":`...)
	if dst, err = appendTreeMap(dst, p.Kids, depth+1); err != nil {
		return dst, err
	}
	dst = append(dst, `,"ptrs":`...)
	if p.Ptrs == nil {
		dst = append(dst, "null"...)
	} else {
		keys := BorrowKeys()
		for k := range p.Ptrs {
			keys.Strings = append(keys.Strings, k)
		}
		dst = append(dst, '{')
		for i, k := range keys.SortedStrings() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, k), ':')
			if dst, err = appendTreePointer(dst, p.Ptrs[k], depth+1); err != nil {
				return dst, err
			}
		}
		keys.Release()
		dst = append(dst, '}')
	}
	dst = append(dst, `,"tags":`...)
	dst = AppendStrings(dst, p.Tags)
	dst = append(dst, `,"bits":`...)
	if p.Bits == nil {
		return append(dst, "null}"...), nil
	}
	dst = append(dst, '[')
	for i, row := range p.Bits {
		if i > 0 {
			dst = append(dst, ',')
		}
		if row == nil {
			dst = append(dst, "null"...)
			continue
		}
		dst = append(dst, '[')
		for j, n := range row {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(dst, int64(n), 10)
		}
		dst = append(dst, ']')
	}

	return append(dst, "]}"...), nil
}

func appendTreeMap(dst []byte, m map[string]tree, depth int) (_ []byte, err error) {
	if m == nil {
		return append(dst, "null"...), nil
	}
	keys := BorrowKeys()
	defer keys.Release()
	for k := range m {
		keys.Strings = append(keys.Strings, k)
	}
	dst = append(dst, '{')
	for i, k := range keys.SortedStrings() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, k), ':')
		v := m[k]
		if dst, err = appendTree(dst, &v, depth+1); err != nil {
			return dst, err
		}
	}

	return append(dst, '}'), nil
}

func appendTreePointer(dst []byte, p *tree, depth int) ([]byte, error) {
	if p == nil {
		return append(dst, "null"...), nil
	}

	return appendTree(dst, p, depth+1)
}

type zone struct {
	ID   string `json:"id"`
	Rank int8   `json:"rank"`
}

type site struct {
	Code int16 `json:"code"`
}

type Base struct {
	ID   string `json:"id"`
	Kind uint8  `json:"kind"`
	Zone zone   `json:"zone"`
}

type Extra struct {
	Note string `json:"note"`
	Rate int    `json:"rate"`
}

// outer promotes members of a value and of a pointer.
type outer struct {
	Base
	*Extra
	Name  string          `json:"name"`
	Sites map[string]site `json:"sites"`
	Arr   [3]float64      `json:"arr"`
	Two   [2]zone         `json:"two"`
	Raw4  [4]byte         `json:"raw4"`
	PI    *int            `json:"pi"`
	PS    *string         `json:"ps"`
	PP    **bool          `json:"pp"`
	PZ    *zone           `json:"pz"`
}

var (
	zoneFields  = Fields{Names: []string{"id", "rank"}}
	siteFields  = Fields{Names: []string{"code"}}
	outerFields = Fields{
		Names: []string{
			"id", "kind", "zone", "note", "rate", "name", "sites", "arr", "two", "raw4",
			"pi", "ps", "pp", "pz",
		},
		Paths: []string{
			"Base.id", "Base.kind", "Base.zone", "Extra.note", "Extra.rate", "name", "sites", "arr", "two", "raw4",
			"pi", "ps", "pp", "pz",
		},
	}
)

func decodeZone(r *Reader, i int, p *zone) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &zoneFields) {
		if v := r.First(i, "id"); v > 0 {
			i = r.String(v, &p.ID)
		}
		if v := r.Then(i, "rank"); v > 0 {
			i = r.Int8(v, &p.Rank)
		}
	}

	return i
}

func decodeSite(r *Reader, i int, p *site) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &siteFields) {
		if v := r.First(i, "code"); v > 0 {
			i = r.Int16(v, &p.Code)
		}
	}

	return i
}

func decodeOuter(r *Reader, i int, p *outer) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &outerFields) {
		if v := r.First(i, "id"); v > 0 {
			i = r.String(v, &p.ID)
		}
		if v := r.Then(i, "kind"); v > 0 {
			i = r.Uint8(v, &p.Kind)
		}
		if v := r.Then(i, "zone"); v > 0 {
			i = decodeZone(r, v, &p.Zone)
		}
		if v := r.Then(i, "note"); v > 0 {
			if p.Extra == nil {
				p.Extra = new(Extra)
			}
			i = r.String(v, &p.Note)
		}
		if v := r.Then(i, "rate"); v > 0 {
			if p.Extra == nil {
				p.Extra = new(Extra)
			}
			i = r.Int(v, &p.Rate)
		}
		if v := r.Then(i, "name"); v > 0 {
			i = r.String(v, &p.Name)
		}
		if v := r.Then(i, "sites"); v > 0 {
			i = decodeSites(r, v, &p.Sites)
		}
		if v := r.Then(i, "arr"); v > 0 {
			a := r.Array(v)
			for a.Next() {
				if a.Index >= len(p.Arr) {
					a.Pos = r.Skip(a.Pos)
					continue
				}
				a.Pos = r.Float64(a.Pos, &p.Arr[a.Index])
			}
			clear(p.Arr[a.Cut(len(p.Arr)):])
			i = a.Pos
		}
		if v := r.Then(i, "two"); v > 0 {
			a := r.Array(v)
			for a.Next() {
				if a.Index >= len(p.Two) {
					a.Pos = r.Skip(a.Pos)
					continue
				}
				a.Pos = decodeZone(r, a.Pos, &p.Two[a.Index])
			}
			clear(p.Two[a.Cut(len(p.Two)):])
			i = a.Pos
		}
		if v := r.Then(i, "raw4"); v > 0 {
			a := r.Array(v)
			for a.Next() {
				if a.Index >= len(p.Raw4) {
					a.Pos = r.Skip(a.Pos)
					continue
				}
				a.Pos = r.Uint8(a.Pos, &p.Raw4[a.Index])
			}
			clear(p.Raw4[a.Cut(len(p.Raw4)):])
			i = a.Pos
		}
		if v := r.Then(i, "pi"); v > 0 {
			if end, null := r.Null(v); null {
				i, p.PI = end, nil
			} else {
				if p.PI == nil {
					p.PI = new(int)
				}
				i = r.Int(v, p.PI)
			}
		}
		if v := r.Then(i, "ps"); v > 0 {
			if end, null := r.Null(v); null {
				i, p.PS = end, nil
			} else {
				if p.PS == nil {
					p.PS = new(string)
				}
				i = r.String(v, p.PS)
			}
		}
		if v := r.Then(i, "pp"); v > 0 {
			if end, null := r.Null(v); null {
				i, p.PP = end, nil
			} else {
				if p.PP == nil {
					p.PP = new(*bool)
				}
				if *p.PP == nil {
					*p.PP = new(bool)
				}
				i = r.Bool(v, *p.PP)
			}
		}
		if v := r.Then(i, "pz"); v > 0 {
			if end, null := r.Null(v); null {
				i, p.PZ = end, nil
			} else {
				if p.PZ == nil {
					p.PZ = new(zone)
				}
				i = decodeZone(r, v, p.PZ)
			}
		}
	}

	return i
}

func decodeSites(r *Reader, i int, p *map[string]site) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[string]site)
	}
	for m.Next() {
		var v site
		m.Pos = decodeSite(r, m.Pos, &v)
		if k, ok := m.Key(); ok {
			(*p)[k] = v
		}
	}

	return m.Pos
}

// quotes has every kind ",string" applies to.
type quotes struct {
	S   string      `json:"s,string"`
	B   bool        `json:"b,string"`
	I   int         `json:"i,string"`
	I8  int8        `json:"i8,string"`
	U16 uint16      `json:"u16,string"`
	F32 float32     `json:"f32,string"`
	F64 float64     `json:"f64,string"`
	N   json.Number `json:"n,string"`
	PI  *int64      `json:"pi,string"`
	PS  *string     `json:"ps,string"`
	PB  *bool       `json:"pb,string"`
	M   picky       `json:"m,string"`
	X   spelt       `json:"x,string"`
}

var quotesFields = Fields{Names: []string{
	"s", "b", "i", "i8", "u16", "f32", "f64", "n", "pi", "ps", "pb", "m", "x",
}}

func decodeQuotes(r *Reader, i int, p *quotes) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &quotesFields) {
		if v := r.First(i, "s"); v > 0 {
			q, end, ok := r.QuotedString(v)
			if ok {
				p.S = q
			}
			i = end
		}
		if v := r.Then(i, "b"); v > 0 {
			q, end, ok := r.QuotedBool(v)
			if ok {
				p.B = q
			}
			i = end
		}
		if v := r.Then(i, "i"); v > 0 {
			q, end, ok := r.QuotedInt(v, strconv.IntSize)
			if ok {
				p.I = int(q)
			}
			i = end
		}
		if v := r.Then(i, "i8"); v > 0 {
			q, end, ok := r.QuotedInt(v, 8)
			if ok {
				p.I8 = int8(q)
			}
			i = end
		}
		if v := r.Then(i, "u16"); v > 0 {
			q, end, ok := r.QuotedUint(v, 16)
			if ok {
				p.U16 = uint16(q)
			}
			i = end
		}
		if v := r.Then(i, "f32"); v > 0 {
			q, end, ok := r.QuotedFloat(v, 32)
			if ok {
				p.F32 = float32(q)
			}
			i = end
		}
		if v := r.Then(i, "f64"); v > 0 {
			q, end, ok := r.QuotedFloat(v, 64)
			if ok {
				p.F64 = q
			}
			i = end
		}
		if v := r.Then(i, "n"); v > 0 {
			q, end, ok := r.QuotedNumber(v)
			if ok {
				p.N = json.Number(q)
			}
			i = end
		}
		if v := r.Then(i, "pi"); v > 0 {
			if end, null := r.NullQuoted(v); null {
				i, p.PI = end, nil
			} else {
				if p.PI == nil && r.Quoted(v) {
					p.PI = new(int64)
				}
				q, end, ok := r.QuotedInt(v, 64)
				if ok {
					*p.PI = q
				}
				i = end
			}
		}
		if v := r.Then(i, "ps"); v > 0 {
			if end, null := r.NullQuoted(v); null {
				i, p.PS = end, nil
			} else {
				if p.PS == nil && r.Quoted(v) {
					p.PS = new(string)
				}
				q, end, ok := r.QuotedString(v)
				if ok {
					*p.PS = q
				}
				i = end
			}
		}
		if v := r.Then(i, "pb"); v > 0 {
			if end, null := r.NullQuoted(v); null {
				i, p.PB = end, nil
			} else {
				if p.PB == nil && r.Quoted(v) {
					p.PB = new(bool)
				}
				q, end, ok := r.QuotedBool(v)
				if ok {
					*p.PB = q
				}
				i = end
			}
		}
		if v := r.Then(i, "m"); v > 0 {
			raw, end := r.QuotedRaw(v)
			if raw != nil {
				r.Check(end, p.M.UnmarshalJSON(raw))
			}
			i = end
		}
		if v := r.Then(i, "x"); v > 0 {
			text, end := r.QuotedText(v)
			if text != nil {
				r.Check(end, p.X.UnmarshalText(text))
			}
			i = end
		}
	}

	return i
}

var errPicky = errors.New("picky: no")

// picky keeps what UnmarshalJSON is given, and refuses what has "no" in it.
type picky string

func (p *picky) UnmarshalJSON(src []byte) error {
	*p = picky(src)
	if strings.Contains(string(src), "no") {
		return errPicky
	}

	return nil
}

func (p picky) MarshalJSON() ([]byte, error) { return []byte(p), nil }

// spelt is picky about text.
type spelt string

func (s *spelt) UnmarshalText(text []byte) error {
	*s = spelt("<" + string(text) + ">")
	if strings.Contains(string(text), "no") {
		return errPicky
	}

	return nil
}

// nested decodes with this package's reader and passes its errors on.
type nested struct {
	Z zone
}

func (n *nested) UnmarshalJSON(src []byte) error {
	r := NewReader(src)
	err := r.Finish(decodeZone(&r, 0, &n.Z))
	var wrong *TypeError
	if errors.As(err, &wrong) { // encoding/json only fills in the path of its own
		return &json.UnmarshalTypeError{Value: wrong.Value, Offset: wrong.Offset, Field: wrong.Field}
	}

	return err
}

// customs has types with methods of their own, and maps by kind of key.
type customs struct {
	P   picky                `json:"p"`
	PP  *picky               `json:"pp"`
	T   spelt                `json:"t"`
	PT  *spelt               `json:"pt"`
	A   netip.Addr           `json:"a"`
	Z   nested               `json:"z"`
	LP  []picky              `json:"lp"`
	MI  map[int8]zone        `json:"mi"`
	MU  map[uint16]string    `json:"mu"`
	MT  map[spelt]int        `json:"mt"`
	MA  map[netip.Addr]picky `json:"ma"`
	MW  map[time.Time]bool   `json:"mw"`
	MR  map[region]picky     `json:"mr"`
	SM  map[string]string    `json:"sm"`
	MS  map[string][]int8    `json:"ms"`
	End string               `json:"end"`
}

var customsFields = Fields{Names: []string{
	"p", "pp", "t", "pt", "a", "z", "lp", "mi", "mu", "mt", "ma", "mw", "mr",
	"sm", "ms", "end",
}}

func decodeCustoms(r *Reader, i int, p *customs) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &customsFields) {
		if v := r.First(i, "p"); v > 0 {
			i = decodePicky(r, v, &p.P)
		}
		if v := r.Then(i, "pp"); v > 0 {
			if end, null := r.Null(v); null {
				i, p.PP = end, nil
			} else {
				if p.PP == nil {
					p.PP = new(picky)
				}
				i = decodePicky(r, v, p.PP)
			}
		}
		if v := r.Then(i, "t"); v > 0 {
			text, end := r.Text(v)
			if text != nil {
				r.Check(end, p.T.UnmarshalText(text))
			}
			i = end
		}
		if v := r.Then(i, "pt"); v > 0 {
			if end, null := r.Null(v); null {
				i, p.PT = end, nil
			} else {
				if p.PT == nil {
					p.PT = new(spelt)
				}
				text, end := r.Text(v)
				if text != nil {
					r.Check(end, p.PT.UnmarshalText(text))
				}
				i = end
			}
		}
		if v := r.Then(i, "a"); v > 0 {
			text, end := r.Text(v)
			if text != nil {
				r.Check(end, p.A.UnmarshalText(text))
			}
			i = end
		}
		if v := r.Then(i, "z"); v > 0 {
			raw, end := r.Raw(v)
			if raw != nil {
				r.Check(end, p.Z.unmarshal(raw))
			}
			i = end
		}
		if v := r.Then(i, "lp"); v > 0 {
			i = decodePickies(r, v, &p.LP)
		}
		if v := r.Then(i, "mi"); v > 0 {
			i = decodeIntMap(r, v, &p.MI)
		}
		if v := r.Then(i, "mu"); v > 0 {
			i = decodeUintMap(r, v, &p.MU)
		}
		if v := r.Then(i, "mt"); v > 0 {
			i = decodeTextMap(r, v, &p.MT)
		}
		if v := r.Then(i, "ma"); v > 0 {
			i = decodeAddrMap(r, v, &p.MA)
		}
		if v := r.Then(i, "mw"); v > 0 {
			i = decodeTimeMap(r, v, &p.MW)
		}
		if v := r.Then(i, "mr"); v > 0 {
			i = decodeRegionMap(r, v, &p.MR)
		}
		if v := r.Then(i, "sm"); v > 0 {
			i = r.StringMap(v, &p.SM)
		}
		if v := r.Then(i, "ms"); v > 0 {
			i = decodeInt8sMap(r, v, &p.MS)
		}
		if v := r.Then(i, "end"); v > 0 {
			i = r.String(v, &p.End)
		}
	}

	return i
}

// unmarshal is UnmarshalJSON as generated code has it.
func (n *nested) unmarshal(src []byte) error {
	r := NewReader(src)

	return r.Finish(decodeZone(&r, 0, &n.Z))
}

func decodePicky(r *Reader, i int, p *picky) int {
	raw, end := r.Raw(i)
	if raw != nil {
		r.Check(end, p.UnmarshalJSON(raw))
	}

	return end
}

func decodePickies(r *Reader, i int, s *[]picky) int {
	if end, null := r.Null(i); null {
		*s = nil
		return end
	}
	v := *s
	a := r.Array(i)
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		a.Pos = decodePicky(r, a.Pos, &v[a.Index])
	}
	if a.Empty() {
		v = []picky{}
	}
	*s = v[:a.Cut(len(v))]

	return a.Pos
}

func decodeIntMap(r *Reader, i int, p *map[int8]zone) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[int8]zone)
	}
	for m.Next() {
		var v zone
		m.Pos = decodeZone(r, m.Pos, &v)
		if k, ok := m.IntKey(8); ok {
			(*p)[int8(k)] = v
		}
	}

	return m.Pos
}

func decodeUintMap(r *Reader, i int, p *map[uint16]string) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[uint16]string)
	}
	for m.Next() {
		var v string
		m.Pos = r.String(m.Pos, &v)
		if k, ok := m.UintKey(16); ok {
			(*p)[uint16(k)] = v
		}
	}

	return m.Pos
}

func decodeTextMap(r *Reader, i int, p *map[spelt]int) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[spelt]int)
	}
	for m.Next() {
		var v int
		m.Pos = r.Int(m.Pos, &v)
		if text := m.TextKey(); text != nil {
			var k spelt
			if r.Check(m.Pos, k.UnmarshalText(text)) {
				(*p)[k] = v
			}
		}
	}

	return m.Pos
}

func decodeAddrMap(r *Reader, i int, p *map[netip.Addr]picky) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[netip.Addr]picky)
	}
	for m.Next() {
		var v picky
		m.Pos = decodePicky(r, m.Pos, &v)
		if text := m.TextKey(); text != nil {
			var k netip.Addr
			if r.Check(m.Pos, k.UnmarshalText(text)) {
				(*p)[k] = v
			}
		}
	}

	return m.Pos
}

func decodeTimeMap(r *Reader, i int, p *map[time.Time]bool) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[time.Time]bool)
	}
	for m.Next() {
		var v bool
		m.Pos = r.Bool(m.Pos, &v)
		if raw := m.RawKey(); raw != nil {
			var k time.Time
			if r.Check(m.Pos, k.UnmarshalJSON(raw)) {
				(*p)[k] = v
			}
		}
	}

	return m.Pos
}

func decodeRegionMap(r *Reader, i int, p *map[region]picky) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[region]picky)
	}
	for m.Next() {
		var v picky
		m.Pos = decodePicky(r, m.Pos, &v)
		if k, ok := m.Key(); ok {
			(*p)[region(k)] = v
		}
	}

	return m.Pos
}

func decodeInt8sMap(r *Reader, i int, p *map[string][]int8) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[string][]int8)
	}
	for m.Next() {
		var v []int8
		m.Pos = decodeInt8s(r, m.Pos, &v)
		if k, ok := m.Key(); ok {
			(*p)[k] = v
		}
	}

	return m.Pos
}
