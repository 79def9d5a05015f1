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

var scalarsFields = Fields{Keys: []string{
	`"s":`, `"b":`, `"i":`, `"i8":`, `"i16":`, `"i32":`, `"i64":`, `"u":`, `"u8":`, `"u16":`, `"u32":`, `"u64":`,
	`"up":`, `"f32":`, `"f64":`, `"d":`, `"t":`, `"bs":`, `"raw":`, `"n":`, `"Kſ":`,
}}

func decodeScalars(r *Reader, p *scalars) {
	o := r.Object(&scalarsFields)
	for o.Next() {
		switch o.Field {
		case 0:
			r.String(&p.S)
		case 1:
			r.Bool(&p.B)
		case 2:
			r.Int(&p.I)
		case 3:
			r.Int8(&p.I8)
		case 4:
			r.Int16(&p.I16)
		case 5:
			r.Int32((*int32)(&p.I32))
		case 6:
			r.Int64(&p.I64)
		case 7:
			r.Uint(&p.U)
		case 8:
			r.Uint8(&p.U8)
		case 9:
			r.Uint16(&p.U16)
		case 10:
			r.Uint32(&p.U32)
		case 11:
			r.Uint64(&p.U64)
		case 12:
			r.Uintptr(&p.UP)
		case 13:
			r.Float32(&p.F32)
		case 14:
			r.Float64(&p.F64)
		case 15:
			r.Int64((*int64)(&p.D))
		case 16:
			r.Time(&p.T)
		case 17:
			r.Bytes((*[]byte)(&p.BS))
		case 18:
			r.RawMessage((*[]byte)(&p.Raw))
		case 19:
			r.Number((*string)(&p.N))
		case 20:
			r.String((*string)(&p.R))
		}
	}
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

var treeFields = Fields{Keys: []string{
	`"name":`, `"size":`, `"next":`, `"list":`, `"refs":`, `"kids":`, `"ptrs":`, `"tags":`, `"bits":`,
}}

func decodeTree(r *Reader, p *tree) {
	o := r.Object(&treeFields)
	for o.Next() {
		switch o.Field {
		case 0:
			r.String(&p.Name)
		case 1:
			r.Int(&p.Size)
		case 2:
			decodeTreePointer(r, &p.Next)
		case 3:
			decodeTreeSlice(r, &p.List)
		case 4:
			decodeTreePointerSlice(r, &p.Refs)
		case 5:
			decodeTreeMap(r, &p.Kids)
		case 6:
			decodeTreePointerMap(r, &p.Ptrs)
		case 7:
			r.Strings(&p.Tags)
		case 8:
			decodeBits(r, &p.Bits)
		}
	}
}

func decodeTreePointer(r *Reader, p **tree) {
	if r.Null() {
		*p = nil
		return
	}
	if *p == nil {
		*p = new(tree)
	}
	decodeTree(r, *p)
}

func decodeTreeSlice(r *Reader, s *[]tree) {
	if r.Null() {
		*s = nil
		return
	}
	v := *s
	a := r.Array()
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		decodeTree(r, &v[a.Index])
	}
	if a.Empty() {
		v = []tree{}
	}
	*s = v[:a.Cut(len(v))]
}

func decodeTreePointerSlice(r *Reader, s *[]*tree) {
	if r.Null() {
		*s = nil
		return
	}
	v := *s
	a := r.Array()
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		decodeTreePointer(r, &v[a.Index])
	}
	if a.Empty() {
		v = []*tree{}
	}
	*s = v[:a.Cut(len(v))]
}

func decodeTreeMap(r *Reader, p *map[string]tree) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[string]tree)
	}
	for m.Next() {
		var v tree
		decodeTree(r, &v)
		if k, ok := m.Key(); ok {
			(*p)[k] = v
		}
	}
}

func decodeTreePointerMap(r *Reader, p *map[string]*tree) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[string]*tree)
	}
	for m.Next() {
		var v *tree
		decodeTreePointer(r, &v)
		if k, ok := m.Key(); ok {
			(*p)[k] = v
		}
	}
}

func decodeBits(r *Reader, s *[][]int8) {
	if r.Null() {
		*s = nil
		return
	}
	v := *s
	a := r.Array()
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		decodeInt8s(r, &v[a.Index])
	}
	if a.Empty() {
		v = [][]int8{}
	}
	*s = v[:a.Cut(len(v))]
}

func decodeInt8s(r *Reader, s *[]int8) {
	if r.Null() {
		*s = nil
		return
	}
	v := *s
	a := r.Array()
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		r.Int8(&v[a.Index])
	}
	if a.Empty() {
		v = []int8{}
	}
	*s = v[:a.Cut(len(v))]
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
	zoneFields  = Fields{Keys: []string{`"id":`, `"rank":`}}
	siteFields  = Fields{Keys: []string{`"code":`}}
	outerFields = Fields{
		Keys: []string{
			`"id":`, `"kind":`, `"zone":`, `"note":`, `"rate":`, `"name":`, `"sites":`, `"arr":`, `"two":`, `"raw4":`,
			`"pi":`, `"ps":`, `"pp":`, `"pz":`,
		},
		Paths: []string{
			"Base.id", "Base.kind", "Base.zone", "Extra.note", "Extra.rate", "name", "sites", "arr", "two", "raw4",
			"pi", "ps", "pp", "pz",
		},
	}
)

func decodeZone(r *Reader, p *zone) {
	o := r.Object(&zoneFields)
	for o.Next() {
		switch o.Field {
		case 0:
			r.String(&p.ID)
		case 1:
			r.Int8(&p.Rank)
		}
	}
}

func decodeSite(r *Reader, p *site) {
	o := r.Object(&siteFields)
	for o.Next() {
		r.Int16(&p.Code)
	}
}

func decodeOuter(r *Reader, p *outer) {
	o := r.Object(&outerFields)
	for o.Next() {
		switch o.Field {
		case 0:
			r.String(&p.ID)
		case 1:
			r.Uint8(&p.Kind)
		case 2:
			decodeZone(r, &p.Zone)
		case 3:
			if p.Extra == nil {
				p.Extra = new(Extra)
			}
			r.String(&p.Note)
		case 4:
			if p.Extra == nil {
				p.Extra = new(Extra)
			}
			r.Int(&p.Rate)
		case 5:
			r.String(&p.Name)
		case 6:
			decodeSites(r, &p.Sites)
		case 7:
			a := r.Array()
			for a.Next() {
				if a.Index >= len(p.Arr) {
					r.Skip()
					continue
				}
				r.Float64(&p.Arr[a.Index])
			}
			clear(p.Arr[a.Cut(len(p.Arr)):])
		case 8:
			a := r.Array()
			for a.Next() {
				if a.Index >= len(p.Two) {
					r.Skip()
					continue
				}
				decodeZone(r, &p.Two[a.Index])
			}
			clear(p.Two[a.Cut(len(p.Two)):])
		case 9:
			a := r.Array()
			for a.Next() {
				if a.Index >= len(p.Raw4) {
					r.Skip()
					continue
				}
				r.Uint8(&p.Raw4[a.Index])
			}
			clear(p.Raw4[a.Cut(len(p.Raw4)):])
		case 10:
			if r.Null() {
				p.PI = nil
				break
			}
			if p.PI == nil {
				p.PI = new(int)
			}
			r.Int(p.PI)
		case 11:
			if r.Null() {
				p.PS = nil
				break
			}
			if p.PS == nil {
				p.PS = new(string)
			}
			r.String(p.PS)
		case 12:
			if r.Null() {
				p.PP = nil
				break
			}
			if p.PP == nil {
				p.PP = new(*bool)
			}
			if *p.PP == nil {
				*p.PP = new(bool)
			}
			r.Bool(*p.PP)
		case 13:
			if r.Null() {
				p.PZ = nil
				break
			}
			if p.PZ == nil {
				p.PZ = new(zone)
			}
			decodeZone(r, p.PZ)
		}
	}
}

func decodeSites(r *Reader, p *map[string]site) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[string]site)
	}
	for m.Next() {
		var v site
		decodeSite(r, &v)
		if k, ok := m.Key(); ok {
			(*p)[k] = v
		}
	}
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

var quotesFields = Fields{Keys: []string{
	`"s":`, `"b":`, `"i":`, `"i8":`, `"u16":`, `"f32":`, `"f64":`, `"n":`, `"pi":`, `"ps":`, `"pb":`, `"m":`, `"x":`,
}}

func decodeQuotes(r *Reader, p *quotes) {
	o := r.Object(&quotesFields)
	for o.Next() {
		switch o.Field {
		case 0:
			if v, ok := r.QuotedString(); ok {
				p.S = v
			}
		case 1:
			if v, ok := r.QuotedBool(); ok {
				p.B = v
			}
		case 2:
			if v, ok := r.QuotedInt(strconv.IntSize); ok {
				p.I = int(v)
			}
		case 3:
			if v, ok := r.QuotedInt(8); ok {
				p.I8 = int8(v)
			}
		case 4:
			if v, ok := r.QuotedUint(16); ok {
				p.U16 = uint16(v)
			}
		case 5:
			if v, ok := r.QuotedFloat(32); ok {
				p.F32 = float32(v)
			}
		case 6:
			if v, ok := r.QuotedFloat(64); ok {
				p.F64 = v
			}
		case 7:
			if v, ok := r.QuotedNumber(); ok {
				p.N = json.Number(v)
			}
		case 8:
			if r.NullQuoted() {
				p.PI = nil
				break
			}
			if p.PI == nil && r.Quoted() {
				p.PI = new(int64)
			}
			if v, ok := r.QuotedInt(64); ok {
				*p.PI = v
			}
		case 9:
			if r.NullQuoted() {
				p.PS = nil
				break
			}
			if p.PS == nil && r.Quoted() {
				p.PS = new(string)
			}
			if v, ok := r.QuotedString(); ok {
				*p.PS = v
			}
		case 10:
			if r.NullQuoted() {
				p.PB = nil
				break
			}
			if p.PB == nil && r.Quoted() {
				p.PB = new(bool)
			}
			if v, ok := r.QuotedBool(); ok {
				*p.PB = v
			}
		case 11:
			if raw := r.QuotedRaw(); raw != nil {
				r.Check(p.M.UnmarshalJSON(raw))
			}
		case 12:
			if text := r.QuotedText(); text != nil {
				r.Check(p.X.UnmarshalText(text))
			}
		}
	}
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
	decodeZone(&r, &n.Z)
	err := r.Finish()
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

var customsFields = Fields{Keys: []string{
	`"p":`, `"pp":`, `"t":`, `"pt":`, `"a":`, `"z":`, `"lp":`, `"mi":`, `"mu":`, `"mt":`, `"ma":`, `"mw":`, `"mr":`,
	`"sm":`, `"ms":`, `"end":`,
}}

func decodeCustoms(r *Reader, p *customs) {
	o := r.Object(&customsFields)
	for o.Next() {
		switch o.Field {
		case 0:
			decodePicky(r, &p.P)
		case 1:
			if r.Null() {
				p.PP = nil
				break
			}
			if p.PP == nil {
				p.PP = new(picky)
			}
			decodePicky(r, p.PP)
		case 2:
			if text := r.Text(); text != nil {
				r.Check(p.T.UnmarshalText(text))
			}
		case 3:
			if r.Null() {
				p.PT = nil
				break
			}
			if p.PT == nil {
				p.PT = new(spelt)
			}
			if text := r.Text(); text != nil {
				r.Check(p.PT.UnmarshalText(text))
			}
		case 4:
			if text := r.Text(); text != nil {
				r.Check(p.A.UnmarshalText(text))
			}
		case 5:
			if raw := r.Raw(); raw != nil {
				r.Check(p.Z.unmarshal(raw))
			}
		case 6:
			decodePickies(r, &p.LP)
		case 7:
			decodeIntMap(r, &p.MI)
		case 8:
			decodeUintMap(r, &p.MU)
		case 9:
			decodeTextMap(r, &p.MT)
		case 10:
			decodeAddrMap(r, &p.MA)
		case 11:
			decodeTimeMap(r, &p.MW)
		case 12:
			decodeRegionMap(r, &p.MR)
		case 13:
			r.StringMap(&p.SM)
		case 14:
			decodeInt8sMap(r, &p.MS)
		case 15:
			r.String(&p.End)
		}
	}
}

// unmarshal is UnmarshalJSON as generated code has it.
func (n *nested) unmarshal(src []byte) error {
	r := NewReader(src)
	decodeZone(&r, &n.Z)

	return r.Finish()
}

func decodePicky(r *Reader, p *picky) {
	if raw := r.Raw(); raw != nil {
		r.Check(p.UnmarshalJSON(raw))
	}
}

func decodePickies(r *Reader, s *[]picky) {
	if r.Null() {
		*s = nil
		return
	}
	v := *s
	a := r.Array()
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		decodePicky(r, &v[a.Index])
	}
	if a.Empty() {
		v = []picky{}
	}
	*s = v[:a.Cut(len(v))]
}

func decodeIntMap(r *Reader, p *map[int8]zone) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[int8]zone)
	}
	for m.Next() {
		var v zone
		decodeZone(r, &v)
		if k, ok := m.IntKey(8); ok {
			(*p)[int8(k)] = v
		}
	}
}

func decodeUintMap(r *Reader, p *map[uint16]string) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[uint16]string)
	}
	for m.Next() {
		var v string
		r.String(&v)
		if k, ok := m.UintKey(16); ok {
			(*p)[uint16(k)] = v
		}
	}
}

func decodeTextMap(r *Reader, p *map[spelt]int) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[spelt]int)
	}
	for m.Next() {
		var v int
		r.Int(&v)
		if text := m.TextKey(); text != nil {
			var k spelt
			if r.Check(k.UnmarshalText(text)) {
				(*p)[k] = v
			}
		}
	}
}

func decodeAddrMap(r *Reader, p *map[netip.Addr]picky) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[netip.Addr]picky)
	}
	for m.Next() {
		var v picky
		decodePicky(r, &v)
		if text := m.TextKey(); text != nil {
			var k netip.Addr
			if r.Check(k.UnmarshalText(text)) {
				(*p)[k] = v
			}
		}
	}
}

func decodeTimeMap(r *Reader, p *map[time.Time]bool) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[time.Time]bool)
	}
	for m.Next() {
		var v bool
		r.Bool(&v)
		if raw := m.RawKey(); raw != nil {
			var k time.Time
			if r.Check(k.UnmarshalJSON(raw)) {
				(*p)[k] = v
			}
		}
	}
}

func decodeRegionMap(r *Reader, p *map[region]picky) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[region]picky)
	}
	for m.Next() {
		var v picky
		decodePicky(r, &v)
		if k, ok := m.Key(); ok {
			(*p)[region(k)] = v
		}
	}
}

func decodeInt8sMap(r *Reader, p *map[string][]int8) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[string][]int8)
	}
	for m.Next() {
		var v []int8
		decodeInt8s(r, &v)
		if k, ok := m.Key(); ok {
			(*p)[k] = v
		}
	}
}
