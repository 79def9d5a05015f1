// Package client reads the stream of a diagnostics host, or any stream of
// server-sent events: it parses, comes back after a disconnection, and goes on
// behind the last event it saw.
package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Event is one event of a stream.
type Event struct {
	ID   string // of the last event that had one
	Type string // "message" where the stream names none
	Data json.RawMessage
}

// Client reads one stream. The zero values of its fields but URL are of use.
type Client struct {
	URL    string       // of the stream
	HTTP   *http.Client // nil means http.DefaultClient; it has no timeout of its own
	Header http.Header  // of each request, such as Authorization
	After  string       // id of the event to go on behind; "" begins with now

	MinBackoff time.Duration // before the first new attempt; 0 means 250 ms
	// MaxBackoff bounds the pauses between attempts, each of which is twice as long
	// as the one before; 0 means 10 s. What the server asks for is heeded up to
	// there.
	MaxBackoff time.Duration
	// Jitter stretches each pause by up to a half, so that clients of one server do
	// not all come back at once. It is in [0, 1); nil means at random.
	Jitter func() float64

	// Silence is how long a server may say nothing, signs of life included, before
	// the client gives the connection up as [ErrSilent] and comes back. 0 means a
	// minute; below 0 it is never given up.
	Silence time.Duration

	// Connected is called whenever a connection stands, before the first event of
	// it, by whoever ranges over Events. nil is not called.
	Connected func()
}

// StatusError is an answer that is no stream.
type StatusError struct {
	Status     int
	Body       string        // the beginning of it, as it came
	RetryAfter time.Duration // 0 if the server does not say
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("client: status %d: %s", e.Status, bytes.TrimSpace([]byte(e.Body)))
}

// Errors of a connection.
var (
	// ErrTooLong is an event, or a line, of more than 16 MiB. Events goes on behind
	// it, if its id came first.
	ErrTooLong = errors.New("client: an event of the stream is too long")
	// ErrSilent is a server that said nothing for longer than Client.Silence.
	ErrSilent = errors.New("client: the server has fallen silent")
	// ErrNoStream is an answer of another type than text/event-stream, such as a
	// page. Events ends with it.
	ErrNoStream = errors.New("client: the answer is no event stream")
)

// Permanent says whether asking again does not help: the answer is a status that
// says so, or no stream, or the URL is none.
func Permanent(err error) bool {
	if wrong, ok := errors.AsType[*url.Error](err); ok && wrong.Op == "parse" {
		return true
	}
	if status, ok := errors.AsType[*StatusError](err); ok {
		s := status.Status
		return s < 500 && s != http.StatusTooManyRequests && s != http.StatusRequestTimeout
	}

	return errors.Is(err, ErrNoStream)
}

// Events gives one event after another. Why a connection failed or ended it
// gives as an error, and then tries again if the caller goes on. It ends with
// ctx's error, or one that is [Permanent].
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		after := c.After
		least, most := cmp.Or(c.MinBackoff, 250*time.Millisecond), cmp.Or(c.MaxBackoff, 10*time.Second)
		for pause := least; ; pause = min(2*pause, most) {
			came, more, err := c.read(ctx, &after, yield)
			if !more {
				return
			}
			if came {
				pause = least
			}
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			if !yield(Event{}, err) || ctx.Err() != nil || Permanent(err) {
				return
			}
			wait := pause
			if status, ok := errors.AsType[*StatusError](err); ok {
				wait = max(wait, min(status.RetryAfter, most))
			}
			if !sleep(ctx, c.stretch(wait)) {
				yield(Event{}, ctx.Err())
				return
			}
		}
	}
}

func (c *Client) stretch(d time.Duration) time.Duration {
	jitter := c.Jitter
	if jitter == nil {
		jitter = rand.Float64
	}

	return d + time.Duration(float64(d)/2*jitter())
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// read gives the events of one connection and says whether there were any,
// whether the caller wants more, and why it ended.
func (c *Client) read(ctx context.Context, after *string, yield func(Event, error) bool) (came, more bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guard := c.guard(func() { cancel(ErrSilent) })
	defer guard.stop()
	body, err := c.connect(ctx, *after)
	if err != nil {
		return false, true, because(ctx, err)
	}
	defer body.Close() //nolint:errcheck // nothing is written to it
	guard.stop()       // before what the caller does
	if c.Connected != nil {
		c.Connected()
	}
	p := NewParser(heard{body, guard})
	p.id = *after
	for {
		guard.start()
		e, err := p.Next()
		guard.stop() // the time that the caller takes is not the server's
		*after = p.ID()
		if err != nil {
			return came, true, because(ctx, err)
		}
		came = true
		if !yield(e, nil) {
			return came, false, nil
		}
	}
}

// guard watches for silence. One without a timer does not.
type guard struct {
	timer *time.Timer
	limit time.Duration
}

func (c *Client) guard(silent func()) guard {
	if c.Silence < 0 {
		return guard{}
	}
	limit := cmp.Or(c.Silence, time.Minute)

	return guard{time.AfterFunc(limit, silent), limit}
}

func (g guard) start() {
	if g.timer != nil {
		g.timer.Reset(g.limit)
	}
}

func (g guard) stop() {
	if g.timer != nil {
		g.timer.Stop()
	}
}

// heard starts the guard anew with whatever is read.
type heard struct {
	from  io.Reader
	guard guard
}

func (h heard) Read(b []byte) (int, error) {
	n, err := h.from.Read(b)
	if n > 0 {
		h.guard.start()
	}

	return n, err
}

// because is err, or what it follows from.
func because(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), ErrSilent) {
		return ErrSilent
	}

	return err
}

func (c *Client) connect(ctx context.Context, after string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return nil, err
	}
	if c.Header != nil {
		r.Header = c.Header.Clone()
	}
	r.Header.Set("Accept", "text/event-stream")
	if sendable(after) {
		r.Header.Set("Last-Event-ID", after)
	}
	do := cmp.Or(c.HTTP, http.DefaultClient)
	answer, err := do.Do(r)
	if err != nil {
		return nil, err
	}
	if err := refusal(answer); err != nil {
		_ = answer.Body.Close() // nothing is written to it

		return nil, err
	}

	return answer.Body, nil
}

// sendable says whether an id can be told a server. With any other one, which no
// host of ours gives, there is no way back but to begin with now.
func sendable(id string) bool {
	return id != "" && len(id) <= 4096 && strings.IndexFunc(id, unicode.IsControl) < 0
}

// refusal says why an answer is no stream.
func refusal(answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // as far as it comes
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))

		return &StatusError{answer.StatusCode, string(text), time.Duration(max(seconds, 0)) * time.Second}
	}
	if kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type")); kind != "text/event-stream" {
		return fmt.Errorf("%w: it is %q", ErrNoStream, kind)
	}

	return nil
}

// Parser reads events from a stream. Make one with NewParser.
type Parser struct {
	r       *bufio.Reader
	id      string // of the last event that had one
	started bool
	cr      bool // the line before ended with a carriage return: a line feed still belongs to it
	line    []byte
}

// NewParser reads from r.
func NewParser(r io.Reader) *Parser { return &Parser{r: bufio.NewReader(r)} }

// ID is that of the last event that had one, or of a later event without data: a
// host says so where a quiet stream has got to.
func (p *Parser) ID() string { return p.id }

const maxEvent = 16 << 20

// Next is the next event; io.EOF where the stream ends, also in the middle of
// an event. The caller may keep its Data.
func (p *Parser) Next() (Event, error) {
	e, some := Event{ID: p.id}, false
	for {
		line, err := p.next()
		if errors.Is(err, ErrTooLong) {
			p.id = e.ID // so that it does not come again
		}
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 {
			p.id = e.ID
			if some {
				e.Type = cmp.Or(e.Type, "message")
				return e, nil
			}
			e.Type = ""
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				e.ID = string(value)
			}
		case "event":
			e.Type = string(value)
		case "data":
			if len(e.Data)+len(value) >= maxEvent {
				p.id = e.ID
				return Event{}, ErrTooLong
			}
			if some {
				e.Data = append(e.Data, '\n')
			}
			e.Data, some = append(e.Data, value...), true
		}
	}
}

// next is the next line without its end, which is \n, \r\n or \r. It is good
// until the one after. It waits for nothing behind the line.
func (p *Parser) next() ([]byte, error) {
	p.line = p.line[:0]
	for {
		if _, err := p.r.Peek(1); err != nil {
			return nil, err
		}
		part, _ := p.r.Peek(p.r.Buffered()) // is there
		if p.cr && part[0] == '\n' {
			p.cr = false
			p.skip(1)
			continue
		}
		end := bytes.IndexAny(part, "\r\n")
		if end < 0 {
			p.cr = false
			p.line = append(p.line, part...)
			p.skip(len(part))
			if len(p.line) >= maxEvent+64 { // the name of the field
				return nil, ErrTooLong
			}
			continue
		}
		p.cr = part[end] == '\r'
		p.line = append(p.line, part[:end]...)
		p.skip(end + 1)

		return p.begin(p.line), nil
	}
}

// skip goes on behind what was peeked at.
func (p *Parser) skip(n int) {
	_, _ = p.r.Discard(n) // is there
}

// begin takes the byte order mark off the first line.
func (p *Parser) begin(line []byte) []byte {
	if p.started {
		return line
	}
	p.started = true

	return bytes.TrimPrefix(line, []byte("\ufeff"))
}
