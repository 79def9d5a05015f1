// Package mail has what a worker needs to send a mail.
package mail

//go:generate go tool tqgen

// Mail is one message to one person.
//
//tqgen:queue lease=30s attempts=5 backoff=exp(1s,1m,20%)
type Mail struct {
	To      string `json:"to"`
	Subject string `json:"subject"`
	//tqgen:sensitive
	Body string `json:"body"`
}
