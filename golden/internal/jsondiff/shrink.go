package jsondiff

import "bytes"

// shrink drops what it can from a document about which something holds, until
// nothing more can go.
func shrink(document []byte, holds func([]byte) bool) []byte {
	tries := 4000
	for size := max(len(document)/2, 1); size > 0 && tries > 0; size /= 2 {
		for at := 0; at+size <= len(document) && tries > 0; {
			shorter := append(bytes.Clone(document[:at]), document[at+size:]...)
			if tries--; holds(shorter) {
				document = shorter
			} else {
				at++
				if size > 8 {
					at += size/2 - 1
				}
			}
		}
	}

	return document
}
