// Package money is internal.
package money

// Amount is some money.
type Amount struct {
	Cents    int64  `json:"cents"`
	Currency string `json:"currency"`
}
