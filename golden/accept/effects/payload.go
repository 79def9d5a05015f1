// Package effects has payloads whose tasks have effects, with results of every
// kind.
package effects

import (
	"encoding/json"
	"strconv"
	"time"
)

// Order is shipped and charged.
//
//tqgen:queue name=orders
//tqgen:effect name=Charge result=Receipt
//tqgen:effect name=Ship result=*Parcel schema=parcel/1
//tqgen:effect name=Tags result=[]string
//tqgen:effect name=Raw result=[]byte
//tqgen:effect name=Code result=string
//tqgen:effect name=Stock result=map[string]int
//tqgen:effect name=Due result=time.Time
//tqgen:effect name=Level result=Level
//tqgen:effect name=Stamp result=Stamp
//tqgen:effect name=Wire result=json.RawMessage
//tqgen:effect name=Price result=float64
//tqgen:effect name=Pair result=[2]*Stamp
//tqgen:effect name=Boxed result=Box[Receipt]
//tqgen:effect name=Mark result=Label
//tqgen:effect name=Marks result=[]*Label
//tqgen:effect name=Plain "result=[]struct{ A int }"
type Order struct {
	ID   int     `json:"id"`
	Last Receipt `json:"last,omitzero"`
}

// Invoice has its queue in this package.
//
//tqgen:queue out=.
//tqgen:effect name=Charge result=Voucher
//tqgen:effect name=Ship result=Receipt
//tqgen:effect name=Mark result=Label
type Invoice struct {
	Number int `json:"number"`
}

// Receipt is also part of a payload.
type Receipt struct {
	Number string    `json:"number"`
	At     time.Time `json:"at,omitzero"`
	Local  int       `json:"-"`
}

// Voucher is a Receipt by another name, with its fields in another order.
type Voucher struct {
	At     *time.Time `json:"at"`
	Serial Serial     `json:"number"`
}

// Serial is a string by another name.
type Serial string

// Parcel holds itself.
type Parcel struct {
	Grams int       `json:"grams"`
	Parts []*Parcel `json:"parts,omitempty"`
}

// Label has a codec of its own.
//
//tqgen:codec
type Label struct {
	Text string   `json:"text"`
	Next *Label   `json:"next,omitempty"`
	More []*Label `json:"more,omitempty"`
}

// Level is a number by another name.
type Level int32

// Box is generic.
type Box[T any] struct {
	Inner T `json:"inner"`
}

// Stamp has methods of its own.
type Stamp struct{ n int }

// NewStamp gives a stamp.
func NewStamp(n int) Stamp { return Stamp{n} }

// Number is the stamp's.
func (s Stamp) Number() int { return s.n }

// MarshalJSON writes a number.
func (s Stamp) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, int64(s.n), 10), nil }

// UnmarshalJSON reads it.
func (s *Stamp) UnmarshalJSON(src []byte) (err error) {
	s.n, err = strconv.Atoi(string(src))

	return err
}

var _ json.RawMessage // the directives alone do not use an import
