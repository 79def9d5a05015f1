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
// A decoder reads into a value in place. Every method takes exactly one JSON
// value; null leaves the destination as it is except where the Go value can be
// nil, for which Null is asked first. What Object, Map and Array return is
// declared before the loop: a variable of the loop's own would be copied for
// every turn.
//
//	var peerFields = jsonwire.Fields{Keys: []string{`"id":`, `"weight":`, `"parent":`, `"cfg":`, `"tags":`}}
//
//	func decodePeer(r *jsonwire.Reader, p *lease.Peer) {
//		o := r.Object(&peerFields)
//		for o.Next() {
//			switch o.Field {
//			case 0: // id
//				r.String(&p.ID)
//			case 1: // weight
//				r.Float64(&p.Weight)
//			case 2: // parent
//				if r.Null() {
//					p.Parent = nil
//					break
//				}
//				if p.Parent == nil {
//					p.Parent = new(lease.Peer)
//				}
//				decodePeer(r, p.Parent)
//			case 3: // cfg, has UnmarshalJSON
//				if raw := r.Raw(); raw != nil {
//					r.Check(p.Cfg.UnmarshalJSON(raw))
//				}
//			case 4: // tags
//				decodeTags(r, &p.Tags)
//			}
//		}
//	}
//
// Slices keep their room and what is in it, as encoding/json does: an element
// is read over the one that was there.
//
//	func decodeTags(r *jsonwire.Reader, s *[]lease.Tag) {
//		if r.Null() {
//			*s = nil
//			return
//		}
//		v := *s
//		a := r.Array()
//		for a.Next() {
//			if a.Index == cap(v) {
//				v = slices.Grow(v, a.Room())
//			}
//			v = v[:max(len(v), a.Index+1)]
//			decodeTag(r, &v[a.Index])
//		}
//		if a.Empty() {
//			v = []lease.Tag{}
//		}
//		*s = v[:a.Cut(len(v))]
//	}
//
// A Go array drops what is too much and zeroes what is left:
//
//	a := r.Array()
//	for a.Next() {
//		if a.Index >= len(p.Rates) {
//			r.Skip()
//			continue
//		}
//		r.Float64(&p.Rates[a.Index])
//	}
//	clear(p.Rates[a.Cut(len(p.Rates)):])
//
// Maps are added to. A value is read afresh, and its key is taken after it:
//
//	func decodePeers(r *jsonwire.Reader, p *map[lease.Zone]lease.Peer) {
//		if r.Null() {
//			*p = nil
//			return
//		}
//		m := r.Map()
//		if m.Opened() && *p == nil {
//			*p = make(map[lease.Zone]lease.Peer)
//		}
//		for m.Next() {
//			var v lease.Peer
//			decodePeer(r, &v)
//			if k, ok := m.Key(); ok {
//				(*p)[lease.Zone(k)] = v
//			}
//		}
//	}
//
// The whole:
//
//	func ParseJSON(src []byte) (lease.Peer, error) {
//		var p lease.Peer
//		r := jsonwire.NewReader(src)
//		decodePeer(&r, &p)
//		err := r.Finish()
//		if r.Malformed() {
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
//		r := jsonwire.NewReader(src)
//		decodePeer(&r, p)
//
//		return r.Finish()
//	}
package jsonwire
