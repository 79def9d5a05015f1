package replicationhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// ClientOptions say how a [Client] asks and what it accepts. A zero field means
// what its comment says.
type ClientOptions struct {
	// HTTP makes the requests: its transport has the TLS configuration. It must
	// have no Timeout, which would end streams. Nil is one of the client's own.
	HTTP *http.Client
	// Authorize adds to each request what the handler's Authorize looks for.
	// Its error is returned. May be nil.
	Authorize func(*http.Request) error
	// Silence is how long the source may take for the next line, heartbeats
	// included; it should be several of those. 20 s.
	Silence time.Duration
	// Timeout is how long the source may take to answer, and to send a snapshot
	// after it did. 1 min.
	Timeout time.Duration
	// Acknowledge tells the source of each event for which line has returned
	// nil, as fast as it answers: of many at once where they come fast. The
	// source must be synchronous. It may take Silence to answer.
	Acknowledge bool
	// MaxLine is how many bytes an event may have. 16 MiB.
	MaxLine int
	// MaxSnapshot is how many bytes a snapshot may have. 1 GiB.
	MaxSnapshot int
}

// Client is a [replication.Client] of a [Handler]. Its methods are safe for
// concurrent use.
type Client struct {
	base *url.URL
	o    ClientOptions
}

var _ replication.Client = (*Client)(nil)

// NewClient asks the handler mounted at base, an http or https URL. The error
// says what is wrong with it, or with which option.
func NewClient(base string, o ClientOptions) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("replicationhttp: %q is no URL of a handler", base)
	}
	setDefault(&o.MaxLine, maxLine)
	setDefault(&o.MaxSnapshot, maxSnapshot)
	setDuration(&o.Silence, 4*heartbeat)
	setDuration(&o.Timeout, time.Minute)
	if min(o.MaxLine, o.MaxSnapshot) < 0 || min(o.Silence, o.Timeout) < 0 {
		return nil, errors.New("replicationhttp: a bound is negative")
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
	}
	if o.HTTP.Timeout != 0 {
		return nil, errors.New("replicationhttp: a client with a Timeout ends streams: set that of the options")
	}

	return &Client{u, o}, nil
}

var (
	errSilent = errors.New("the source was silent for too long")
	errSlow   = errors.New("the source took too long")
)

// Events implements [replication.Client].
func (c *Client) Events(ctx context.Context, after tq.Position, line func([]byte) error) error {
	query := url.Values{"after": {strconv.FormatUint(uint64(after.Sequence), 10)}}
	if after.Incarnation != 0 {
		query.Set("incarnation", after.Incarnation.String())
	}
	if c.o.Acknowledge {
		query.Set("acknowledge", "")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var acks acknowledger
	defer acks.wait()
	defer cancel(nil)
	silence := time.AfterFunc(c.o.Timeout, func() { cancel(errSilent) })
	defer silence.Stop()
	res, err := c.ask(ctx, http.MethodGet, "events", query)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read, or is not wanted
	silence.Stop()
	if c.o.Acknowledge {
		if err := acks.begin(ctx, cancel, c, res.Header, uint64(after.Sequence)); err != nil {
			return err
		}
	}
	body := &answer{ctx, res.Body}
	err = replication.Receive(body, c.o.MaxLine, c.o.Silence, func() { cancel(errSilent) }, func(text []byte) error {
		err := line(text)
		if err == nil {
			acks.taken()
		}

		return err
	})
	if err == io.EOF {
		return endOf(res)
	}

	return err
}

// answer reads what the source sends, as long as it does.
type answer struct {
	ctx context.Context // of the request
	in  io.Reader
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.in.Read(p)
	if err != nil && err != io.EOF {
		err = broken(a.ctx, err)
	}

	return n, err
}

// endOf is what ended a stream, as the source says.
func endOf(res *http.Response) error {
	code := res.Trailer.Get(headerEnd)
	reason, err := url.PathUnescape(res.Trailer.Get(headerReason))
	if err != nil || reason == "" {
		reason = code
	}
	if err := replication.Said(code, reason); err != nil {
		return fmt.Errorf("replicationhttp: the stream has ended: %w", err)
	}

	return fmt.Errorf("%w: the stream has ended: %s", replication.ErrUnavailable, reason)
}

// broken says that a connection was lost; trying again may help.
func broken(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if ctx.Err() != nil && !errors.Is(err, errSilent) && !errors.Is(err, errSlow) {
		return err // the caller's own
	}

	return fmt.Errorf("%w: %w", replication.ErrUnavailable, err)
}

// Snapshot implements [replication.Client].
func (c *Client) Snapshot(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*c.o.Timeout, errSlow)
	defer cancel()
	res, err := c.ask(ctx, http.MethodGet, "snapshot", nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // it was read, or is not wanted
	limit := int64(c.o.MaxSnapshot)
	if res.ContentLength > limit {
		return nil, fmt.Errorf("%w: a snapshot of %d bytes, at most %d are read: raise MaxSnapshot of the client",
			replication.ErrTooLarge, res.ContentLength, limit)
	}
	doc, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return nil, broken(ctx, err)
	case int64(len(doc)) > limit:
		return nil, fmt.Errorf("%w: a snapshot of more than %d bytes: raise MaxSnapshot of the client", replication.ErrTooLarge, limit)
	}

	return doc, nil
}

// ask returns the answer, which has status 200 or 204.
func (c *Client) ask(ctx context.Context, method, path string, query url.Values) (*http.Response, error) {
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity") // nothing is unpacked, so its size is what was sent
	if c.o.Authorize != nil {
		if err := c.o.Authorize(req); err != nil {
			return nil, err
		}
	}
	res, err := c.o.HTTP.Do(req)
	if err != nil {
		return nil, broken(ctx, err)
	}
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNoContent {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }() // what is wanted of it was read

	return nil, refusal(res)
}

// maxRefusal is how much of a refusal is read.
const maxRefusal = 16 << 10

// refusal is why the source does not answer.
func refusal(res *http.Response) error {
	said := tq.TaskError{Message: "no reason given"}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	if err == nil {
		_ = said.UnmarshalJSON(body) // it may be from anything that stands between
	}
	if known := replication.Said(said.Code, said.Message); known != nil {
		return fmt.Errorf("replicationhttp: %w", known)
	}
	err = fmt.Errorf("replicationhttp: %s: %s", res.Status, said.Message)
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusGone:
		return fmt.Errorf("%w: %w", replication.ErrUnavailable, err)
	}
	if res.StatusCode >= 500 {
		return fmt.Errorf("%w: %w", replication.ErrUnavailable, err)
	}

	return err
}
