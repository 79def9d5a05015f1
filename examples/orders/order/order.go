// Package order has what is ordered.
package order

import "time"

//go:generate go tool tqgen

// Order is one order of one customer.
//
//tqgen:queue capacity=1000 high=200 low=50 lease=10s attempts=3 backoff=exp(200ms,10s,20%)
type Order struct {
	Number   string    `json:"number"`
	Customer Customer  `json:"customer"`
	Lines    []Line    `json:"lines"`
	Placed   time.Time `json:"placed,omitzero"`
	//tqgen:sensitive
	Card string `json:"card,omitempty"`
}

// Customer is who pays.
type Customer struct {
	ID    int64             `json:"id"`
	Notes map[string]string `json:"notes,omitempty"`
}

// Line is some pieces of one thing.
type Line struct {
	SKU    string `json:"sku"`
	Pieces uint32 `json:"pieces"`
	Cents  int64  `json:"cents"`
}
