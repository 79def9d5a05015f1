// Package joined holds two payloads and their output.
package joined

// Email is sent.
//
//tqgen:queue out=. name=mail capacity=32
type Email struct {
	To   Address `json:"to"`
	Body []byte  `json:"body"`
	Next *Email  `json:"next,omitempty"`
}

// HTTPCall is made. Its address is coded by functions of its own.
//
//tqgen:queue out=.
type HTTPCall struct {
	URL  string  `json:"url"`
	From Address `json:"from"`

	// retries is not part of the JSON form.
	retries int
}

// Retry counts one more try.
func (c *HTTPCall) Retry() int {
	c.retries++

	return c.retries
}

// Address is where both go.
type Address struct {
	Name string `json:"name"`
}

// New and Run do not get in the way: what is generated has longer names.
func New() *Email { return new(Email) }

// Run is as it was.
func Run(e *Email) string { return e.To.Name }

// Queue is free here, too.
type Queue struct{}
