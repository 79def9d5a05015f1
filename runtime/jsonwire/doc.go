// Package jsonwire is what generated JSON codecs stand on: functions that
// append values to a byte slice, and a Reader over one.
//
// # Promises
//
// The bytes written and the values read are those of encoding/json. So are the
// kinds of errors, their offsets and the field they name: encoding/json of the
// toolchain is the specification, its quirks included.
//
//   - Appending allocates nothing but the growth of the caller's buffer. Read
//     values never alias the document; a Reader allocates what they keep.
//   - A value of the wrong type is skipped, reading goes on, and the first such
//     error is returned at the end. An error of a type's own UnmarshalJSON or
//     UnmarshalText ends the reading. A malformed document wins over both.
//   - Time is linear in the length of the document, whatever is in it, and the
//     stack is bounded: nesting deeper than MaxDepth is an error, both ways.
//     Options may narrow that, and ask for exact names.
//   - There is no state outside the values passed in. Readers are not safe for
//     concurrent use; everything else is.
//
// # Encoders
//
// An encoder is a function that appends. Constant bytes are written by the
// caller, quotes included, so that they join with what stands beside them:
//
//	func appendPeer(dst []byte, p *lease.Peer) ([]byte, error) {
//		dst = append(dst, `{"id":"`...)
//		dst = jsonwire.AppendStringBody(dst, p.ID)
//		dst = append(dst, `","weight":`...)
//		dst, err := jsonwire.AppendFloat64(dst, p.Weight)
//		if err != nil {
//			return dst, err
//		}
//
//		return append(dst, '}'), nil
//	}
//
// Integers and booleans are strconv's. After an error the slice is longer by an
// incomplete document. An encoder that can reach itself takes its depth and
// starts with CheckDepth, so that a cycle ends in an error.
//
// # Decoders
//
// A decoder reads into a value in place. It takes the index where a JSON value
// starts and returns the one where it ends, as every method of the Reader does,
// of which each takes exactly one value. null leaves the destination as it is
// except where the Go value can be nil, for which Null is asked first.
//
// Encoders write the members of an object in one order, so that is the order in
// which a decoder asks for them. Mostly First and Then find each where the one
// before has ended, at the cost of comparing the name. Whatever else there is,
// Rest takes care of: white space, members that are missing, unknown, out of
// order, or spelt in another way. It skips what is unknown; of what it finds it
// keeps the name, and the next turn of the loop comes to it.
//
//	var peerFields = jsonwire.Fields{Names: []string{"id", "weight", "parent", "cfg", "tags"}}
//
//	func decodePeer(r *jsonwire.Reader, i int, p *lease.Peer) int {
//		start, more := r.Open(i)
//		for i = start; more; i, more = r.Rest(i, start, &peerFields) {
//			if v := r.First(i, "id"); v > 0 {
//				i = r.String(v, &p.ID)
//			}
//			if v := r.Then(i, "weight"); v > 0 {
//				i = r.Float64(v, &p.Weight)
//			}
//			if v := r.Then(i, "parent"); v > 0 {
//				if end, null := r.Null(v); null {
//					i, p.Parent = end, nil
//				} else {
//					if p.Parent == nil {
//						p.Parent = new(lease.Peer)
//					}
//					i = decodePeer(r, v, p.Parent)
//				}
//			}
//			if v := r.Then(i, "cfg"); v > 0 { // has UnmarshalJSON
//				raw, end := r.Raw(v)
//				if raw != nil {
//					r.Check(end, p.Cfg.UnmarshalJSON(raw))
//				}
//				i = end
//			}
//			if v := r.Then(i, "tags"); v > 0 {
//				i = decodeTags(r, v, &p.Tags)
//			}
//		}
//
//		return i
//	}
//
// Arrays, maps and objects whose decoder has something to do for each member
// are read by a cursor. It has the index, which the caller sets to where the
// element has ended. Slices keep their room and what is in it, as encoding/json
// does: an element is read over the one that was there.
//
//	func decodeTags(r *jsonwire.Reader, i int, s *[]lease.Tag) int {
//		if end, null := r.Null(i); null {
//			*s = nil
//			return end
//		}
//		v := *s
//		a := r.Array(i)
//		for a.Next() {
//			if a.Index == cap(v) {
//				v = slices.Grow(v, a.Room())
//			}
//			v = v[:max(len(v), a.Index+1)]
//			a.Pos = decodeTag(r, a.Pos, &v[a.Index])
//		}
//		if a.Empty() {
//			v = []lease.Tag{}
//		}
//		*s = v[:a.Cut(len(v))]
//
//		return a.Pos
//	}
//
// A Go array drops what is too much and zeroes what is left:
//
//	a := r.Array(i)
//	for a.Next() {
//		if a.Index >= len(p.Rates) {
//			a.Pos = r.Skip(a.Pos)
//			continue
//		}
//		a.Pos = r.Float64(a.Pos, &p.Rates[a.Index])
//	}
//	clear(p.Rates[a.Cut(len(p.Rates)):])
//
// Maps are added to. A value is read afresh, and its key is taken after it:
//
//	func decodePeers(r *jsonwire.Reader, i int, p *map[lease.Zone]lease.Peer) int {
//		if end, null := r.Null(i); null {
//			*p = nil
//			return end
//		}
//		m := r.Map(i)
//		if m.Opened() && *p == nil {
//			*p = make(map[lease.Zone]lease.Peer)
//		}
//		for m.Next() {
//			var v lease.Peer
//			m.Pos = decodePeer(r, m.Pos, &v)
//			if k, ok := m.Key(); ok {
//				(*p)[lease.Zone(k)] = v
//			}
//		}
//
//		return m.Pos
//	}
//
// The whole:
//
//	func ParseJSON(src []byte) (p lease.Peer, err error) {
//		var r jsonwire.Reader
//		r.Init(src)
//		if err = r.Finish(decodePeer(&r, 0, &p)); r.Malformed() {
//			return lease.Peer{}, err
//		}
//
//		return p, err
//	}
//
//	func DecodeJSON(src []byte, p *lease.Peer) error {
//		if err := jsonwire.Validate(src); err != nil {
//			return err
//		}
//
//		var r jsonwire.Reader
//		r.Init(src)
//
//		return r.Finish(decodePeer(&r, 0, p))
//	}
package jsonwire
