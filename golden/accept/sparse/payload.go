// Package sparse has a payload that only the first event of a task carries.
package sparse

// Upload is large.
//
//tqgen:queue package=uploadqueue payload=enqueued
type Upload struct {
	Name string `json:"name"`
	Body []byte `json:"body"`
}
