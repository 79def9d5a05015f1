package dispatch

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Codes of what this package itself refuses. They stay the same over releases,
// and so do those of package tq, which come on the wire as they are.
const (
	CodePayloadRequired      = "resourcelease.payload.required"
	CodeResourceTypeRequired = "resourcelease.payload.resource_type_required"
	CodeResourceIDRequired   = "resourcelease.payload.resource_id_required"
	CodePartitionKeyRequired = "resourcelease.payload.partition_key_required"
	CodeEncodingRequired     = "resourcelease.payload.encoding_required"
	CodePayloadInvalid       = "resourcelease.payload.invalid" // a hook said so, without a code of its own
	CodePendingItemRequired  = "resourcelease.restore.pending_item_required"
	CodeSnapshotInvalid      = "resourcelease.restore.snapshot_invalid"
	CodeTokenRequired        = "resourcelease.ownership_token_required"
	CodeRequestInvalid       = "resourcelease.request_invalid" // malformed, of a wrong type, or out of range

	CodeUnknownToken     = "error.resourcelease.unknown_token"     // its task is not here, or not any more
	CodeFailed           = "error.resourcelease.failed"            // of fail, if it gives no code
	CodeUnauthenticated  = "error.resourcelease.unauthenticated"   // who asks is not known
	CodeForbidden        = "error.resourcelease.forbidden"         // who asks may not
	CodeNotEligible      = "error.resourcelease.peer_not_eligible" // it gets no leases for now
	CodeUnknownProcedure = "error.resourcelease.unknown_procedure"
	CodeMethod           = "error.resourcelease.method_not_allowed"
	CodeMediaType        = "error.resourcelease.media_type_unsupported"
	CodeTooLarge         = "error.resourcelease.too_large"
	CodeSlow             = "error.resourcelease.request_timeout"
	CodeThrottled        = "error.resourcelease.throttled" // backpressure
	CodeNotOwner         = "error.resourcelease.not_owner" // another node owns the queue
	CodeInternal         = "error.resourcelease.internal"
)

// Error is what a request is refused with, on both sides of the wire. It
// unwraps to the sentinel of package tq that its code stands for, if any.
type Error struct {
	Status  int    // of HTTP
	Code    string // stable
	Message string // for people
	// Path is where in the request's body the value is that is wrong, such as
	// payload.attributes; "" if that is not known, or is not what is wrong.
	Path string
	// Owner is where the queue is, as far as that is known; of CodeNotOwner.
	Owner string
	// RetryAfter is when asking again may help; 0 if that is not known.
	RetryAfter time.Duration

	cause error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s (%s, status %d)", e.Message, e.Code, e.Status) }

// Unwrap is what the queue answered, or on the client's side its sentinel.
func (e *Error) Unwrap() error { return e.cause }

// invalid is a request that no repetition makes good.
func invalid(code, path, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Path: path, Message: message}
}

// forbidden is what a hook says who refuses somebody.
func forbidden(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}

	return &Error{Status: http.StatusForbidden, Code: CodeForbidden, Message: "not for you", cause: err}
}

// unknown is what is not served.
func unknown(message string) *Error {
	return &Error{Status: http.StatusNotFound, Code: CodeUnknownProcedure, Message: message}
}

// answers are what the queue's errors are on the wire. The first that an error
// matches is it: what has happened is never told as if it had not, whatever kept
// it from being confirmed, and a lease that was lost because the queue was deposed
// comes under the latter.
var answers = [...]struct {
	err    error
	code   string // "" is the error's own
	status int
	again  time.Duration
}{
	{tq.ErrUncertain, tq.CodeUncertain, http.StatusGatewayTimeout, 0},
	{tq.ErrDeposed, tq.CodeDeposed, http.StatusServiceUnavailable, time.Second},
	{tq.ErrLeaseLost, "", http.StatusConflict, 0},
	{tq.ErrDrained, tq.CodeDrained, http.StatusServiceUnavailable, time.Second},
	{tq.ErrClosed, tq.CodeClosed, http.StatusServiceUnavailable, time.Second},
	{tq.ErrFull, tq.CodeFull, http.StatusTooManyRequests, time.Second},
	{tq.ErrExhausted, tq.CodeExhausted, http.StatusInternalServerError, 0},
}

// answerTo is err as it is answered. What is not known to be harmless is not
// shown.
func answerTo(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	for _, a := range answers {
		if !errors.Is(err, a.err) {
			continue
		}
		code := a.code
		if code == "" {
			code = tq.ErrorCode(err)
		}
		if code == tq.CodeUnknownTask {
			code = CodeUnknownToken
		}

		return &Error{Status: a.status, Code: code, Message: err.Error(), RetryAfter: a.again, cause: err}
	}

	return &Error{
		Status: http.StatusInternalServerError, Code: CodeInternal, Message: "internal error", cause: err,
	}
}

// sentinel is what an answer's code stands for, nil if for nothing of tq's.
func sentinel(code string) error {
	switch code {
	case CodeUnknownToken, tq.CodeLeaseLost, tq.CodeLeaseExpired, tq.CodeDeadLettered:
		return tq.ErrLeaseLost
	}
	for _, a := range answers {
		if a.code == code {
			return a.err
		}
	}

	return nil
}

// malformed is what is wrong with a body that does not read.
func malformed(err error) *Error {
	e := invalid(CodeRequestInvalid, "", err.Error())
	var missing *jsonwire.MissingError
	var mismatch *jsonwire.TypeError
	var value *jsonwire.ValueError
	switch {
	case errors.As(err, &missing):
		e.Path = missing.Object
		if len(missing.Names) > 0 {
			e.Path += "." + missing.Names[0]
		}
	case errors.As(err, &mismatch):
		e.Path = mismatch.Field
	case errors.As(err, &value):
		e.Path = value.Field
	}

	return e
}
