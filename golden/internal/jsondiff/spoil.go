package jsondiff

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"unicode"
)

// spoil changes a document: so that it stays valid, or at random.
func spoil(r *rand.Rand, document []byte) []byte {
	document = bytes.Clone(document)
	switch r.IntN(6) {
	case 0:
		var b bytes.Buffer
		if json.Indent(&b, document, " \r", "\t") == nil {
			return append(b.Bytes(), " \n"...)
		}
	case 1:
		return foldNames(r, document)
	case 2:
		return repeatMembers(r, document)
	case 3, 4:
		for range 1 + r.IntN(2) {
			document = replaceValue(r, document)
		}

		return document
	}
	for range 1 + r.IntN(3) {
		document = damage(r, document)
	}

	return document
}

var junk = []string{
	"null", "{}", "[]", "1", "-0", "1.5", "1e3", "true", "false", `"`, `\`, ",", ":", "}", "{", "]", "[", " ",
	"\n", `\u12`,
	`\ud83d\ude00`, `\ud800`, "\xff", "0", "9", "-", ".", "Z", `"x"`, "=", "a", `""`, `"null"`,
	`"1"`, `"true"`, `"\"x\""`,
	"99999999999999999999", "-129", "256", "1e400", "[null]", "[[]]", `[{"a":1}]`, `{"a":null}`, `{"1":1}`,
	`"AQID"`, "[1,2,3]",
	`"2020-01-02T03:04:05Z"`, `"127.0.0.1"`, "[1,2,3,4,5,6,7,8,9]", `{"x":{"y":[1]},"1":{},"-1":[]}`,
}

func pick(r *rand.Rand) string { return junk[r.IntN(len(junk))] }

// damage changes a few bytes anywhere.
func damage(r *rand.Rand, d []byte) []byte {
	if len(d) == 0 {
		return d
	}

	i := r.IntN(len(d))
	switch r.IntN(4) {
	case 0:
		d[i] = byte(r.Uint32())
	case 1:
		d = append(d[:i], d[i+1:]...)
	case 2:
		d = append(d[:i:i], append([]byte(pick(r)), d[i:]...)...)
	default:
		d = d[:i]
	}

	return d
}

// span is a member's name and where its value begins within a document.
type span struct{ name, nameEnd, value int }

// members finds the members of all objects of a valid document.
func members(d []byte) []span {
	var list []span
	for i := 0; i < len(d); i++ {
		if d[i] != '"' {
			continue
		}
		end := stringEnd(d, i)
		colon := end
		for colon < len(d) && d[colon] == ' ' {
			colon++
		}
		if colon < len(d) && d[colon] == ':' {
			list = append(list, span{i, end, colon + 1})
		}
		i = end - 1
	}

	return list
}

func stringEnd(d []byte, i int) int {
	for i++; i < len(d) && d[i] != '"'; i++ {
		if d[i] == '\\' {
			i++
		}
	}

	return min(i+1, len(d))
}

func valueEnd(d []byte, i int) int {
	decoder := json.NewDecoder(bytes.NewReader(d[i:]))
	var raw json.RawMessage
	if decoder.Decode(&raw) != nil {
		return i
	}

	return i + int(decoder.InputOffset())
}

func replace(d []byte, from, to int, by []byte) []byte {
	return append(append(bytes.Clone(d[:from]), by...), d[to:]...)
}

// replaceValue puts another value in the place of a member's, of whatever type.
func replaceValue(r *rand.Rand, d []byte) []byte {
	list := members(d)
	if len(list) == 0 {
		return d
	}
	s := list[r.IntN(len(list))]
	if r.IntN(4) == 0 { // that of another member
		other := list[r.IntN(len(list))]
		return replace(d, s.value, valueEnd(d, s.value), d[other.value:valueEnd(d, other.value)])
	}

	return replace(d, s.value, valueEnd(d, s.value), []byte(pick(r)))
}

// foldNames writes some names in other letters that match.
func foldNames(r *rand.Rand, d []byte) []byte {
	list := members(d)
	for i := len(list) - 1; i >= 0; i-- {
		if r.IntN(3) > 0 {
			continue
		}
		s := list[i]
		var name []byte
		for _, c := range string(d[s.name:s.nameEnd]) {
			if next := unicode.SimpleFold(c); r.IntN(2) == 0 && c != '\\' && c != 'u' {
				c = next
			}
			name = append(name, string(c)...)
		}
		d = replace(d, s.name, s.nameEnd, name)
	}

	return d
}

// repeatMembers writes a member once more, with its own value or another, in
// front of or behind its neighbour.
func repeatMembers(r *rand.Rand, d []byte) []byte {
	list := members(d)
	if len(list) == 0 {
		return d
	}
	s := list[r.IntN(len(list))]
	member := append(bytes.Clone(d[s.name:s.value]), d[s.value:valueEnd(d, s.value)]...)
	if r.IntN(2) == 0 {
		member = append(bytes.Clone(d[s.name:s.value]), pick(r)...)
	}
	other := list[r.IntN(len(list))]

	return replace(d, other.name, other.name, append(member, ','))
}
