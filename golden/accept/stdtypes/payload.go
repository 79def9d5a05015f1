// Package stdtypes has types of the standard library that stand in JSON in a
// way of their own.
package stdtypes

import (
	"database/sql"
	"encoding/json"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// Task has them all.
//
//tqgen:queue
type Task struct {
	Time      time.Time
	TimePtr   *time.Time
	Times     []time.Time
	Duration  time.Duration
	Weekday   time.Weekday
	Raw       json.RawMessage
	RawPtr    *json.RawMessage
	Raws      []json.RawMessage
	RawOmit   json.RawMessage `json:",omitempty"`
	Number    json.Number
	NumberPtr *json.Number
	Numbers   map[string]json.Number
	Quoted    json.Number `json:",string"`
	Int       big.Int
	IntPtr    *big.Int
	Float     *big.Float
	Rat       big.Rat
	Addr      netip.Addr
	AddrPtr   *netip.Addr
	AddrPort  netip.AddrPort
	Prefix    netip.Prefix
	IP        net.IP
	URL       *url.URL
	Null      sql.NullString
	Strings   url.Values
	TimeMap   map[string]time.Time
	ZeroTime  time.Time `json:",omitzero"`
}
