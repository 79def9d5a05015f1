// Package scalars has a field of every scalar kind.
package scalars

// Task has them all.
//
//tqgen:queue
type Task struct {
	Bool    bool
	Int     int
	Int8    int8
	Int16   int16
	Int32   int32
	Int64   int64
	Uint    uint
	Uint8   uint8
	Uint16  uint16
	Uint32  uint32
	Uint64  uint64
	Uintptr uintptr
	Float32 float32
	Float64 float64
	String  string
	Bytes   []byte
	Byte    byte
	Rune    rune
	Strings []string
	Map     map[string]string
}
