// Package labels has payloads whose fields tell measurements apart.
package labels

// Order is shipped.
//
//tqgen:queue name=orders attempts=1 dead=1
//tqgen:effect name=Charge result=string
type Order struct {
	// Region is where it goes.
	//
	//tqgen:label values=eu,us
	Region Region `json:"region"`

	//tqgen:label values=-1,0,1
	Urgency int8 `json:"urgency"`

	//tqgen:label values=true
	IsGift bool `json:"isGift"`

	ID   string  `json:"id"`
	Last *Parcel `json:"last"`
}

// Region is a string by another name.
type Region string

// Parcel has a queue in this package, and labels of its own.
//
//tqgen:queue out=.
type Parcel struct {
	//tqgen:label values=small,large
	size string

	Grams int `json:"grams"`
}

// NewParcel gives a parcel of a size.
func NewParcel(size string) Parcel { return Parcel{size: size} }
