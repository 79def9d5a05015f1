// Package lease is an example of a payload: what a service asks its workers to
// do. The queue for it is in package leasequeue, next to it.
package lease

//go:generate go run ../../cmd/tqgen

// ResourceLease asks a worker to hold one resource.
//
//tqgen:queue package=leasequeue capacity=4096 lease=30s heartbeat=5s attempts=5 backoff=exp(1s,1m,20%)
//tqgen:effect name=Notify result=NotifyResult
type ResourceLease struct {
	// ResourceType is the kind of resource, "vm" or "disk".
	ResourceType string `json:"resourceType"`

	// ResourceID is unique within its type.
	ResourceID string `json:"resourceId"`

	// PartitionKey names the place where the resource lives.
	PartitionKey string `json:"partitionKey"`

	// PayloadEncoding says how Body is to be read, "raw" or "gzip".
	PayloadEncoding string `json:"payloadEncoding"`

	// Attributes are shown to operators.
	Attributes map[string]string `json:"attributes,omitempty"`

	// Body is handed to the resource as it is. It may hold credentials.
	//
	//tqgen:sensitive
	Body []byte `json:"body"`

	// RequestID is the request the lease came from.
	RequestID string `json:"requestId,omitempty"`
}

// NotifyResult is what telling a resource's owner gives: an effect that happens
// once for a task, whoever works on it.
type NotifyResult struct {
	// MessageID is the message's at the provider.
	MessageID string `json:"messageId"`

	// Recipients are those it went to.
	Recipients []string `json:"recipients,omitempty"`
}
