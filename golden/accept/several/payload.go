// Package several has more than one payload, and types they share.
package several

// Email is sent.
//
//tqgen:queue capacity=64 attempts=2 high=1 cooldown=0s
type Email struct {
	To   Address `json:"to"`
	Text string  `json:"text"`
}

// Parcel is carried.
//
//tqgen:queue name=parcels/eu package=parcels out=./out/parcels lease=1m30s heartbeat=20s backoff=const(250ms) dead=16 high=400 low=100 cooldown=2s
type Parcel struct {
	To    Address `json:"to"`
	Grams int     `json:"grams"`

	// weighed is not part of the JSON form.
	weighed bool
}

// Weigh looks at the weight.
func (p *Parcel) Weigh() { p.weighed = p.Grams > 0 }

// Weighed reports whether Weigh was called.
func (p *Parcel) Weighed() bool { return p.weighed }

// Address is where both go.
type Address struct {
	Name string `json:"name"`
	City string `json:"city"`
}

// Untouched has no queue.
type Untouched struct{ Ch chan int }
