// Package pay is internal, and so is its output.
package pay

import "github.com/tqgen/tqgen/golden/accept/inside/internal/money"

// Payment is made.
//
//tqgen:queue out=../queues/payments package=payments
type Payment struct {
	Amount money.Amount `json:"amount"`
}
