// Package jsonmethods is what the methods of random payload types do: write
// every shape a Marshaler may, and fail now and then.
package jsonmethods

import (
	"encoding/json"
	"errors"
	"hash/fnv"
)

// Mark begins the text of every error from here.
const Mark = "own: "

// choose picks one of n by the text.
func choose(text string, n uint32) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))

	return h.Sum32() >> 7 % n
}

// JSON is the JSON form of text, in one shape or another, in some cases none.
func JSON(text string) ([]byte, error) {
	switch choose(text, 60) {
	case 0:
		return nil, errors.New(Mark + "not written: " + text)
	case 1:
		return []byte("{"), nil
	case 2:
		return []byte("1 2"), nil
	case 3:
		return nil, nil
	case 4, 5, 6:
		return []byte("null"), nil
	case 7, 8, 9, 10:
		return []byte(" [ 1 ,\t\"<&>\u2028\xff\" ,\r\n{ } , [ ] ]\n"), nil
	case 11, 12, 13, 14:
		return []byte(` { "<a>" : -1.50e+3 , "\u0061" : { "b" : [ true , false , null ] } } `), nil
	case 15, 16:
		return []byte("12e3"), nil
	default:
		return json.Marshal(text)
	}
}

// Text is text with something in it that wants escaping. Two texts never give
// the same.
func Text(text string) ([]byte, error) {
	switch choose(text, 60) {
	case 0:
		return nil, errors.New(Mark + "not written: " + text)
	case 1, 2, 3:
		return []byte(text + "<\u2028"), nil
	case 4, 5, 6:
		return []byte(text + "\xff\"\\"), nil
	default:
		return []byte(text), nil
	}
}

// Read refuses some of what is read.
func Read(src []byte) error {
	if choose(string(src), 25) == 0 {
		return errors.New(Mark + "not read: " + string(src))
	}

	return nil
}
