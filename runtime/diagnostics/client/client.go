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
	"net/http"
	"strconv"
	"time"
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
	MaxBackoff time.Duration // each is twice as long as the one before, up to here; 0 means 10 s
}

// StatusError is an answer that is no stream.
type StatusError struct {
	Status     int
	Body       string        // the beginning of it
	RetryAfter time.Duration // 0 if the server does not say
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("client: status %d: %s", e.Status, bytes.TrimSpace([]byte(e.Body)))
}

// permanent says that asking again will not help.
func (e *StatusError) permanent() bool {
	return e.Status < 500 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
}

// ErrTooLong is a line that is longer than a MiB.
var ErrTooLong = errors.New("client: a line of the stream is too long")

// Events gives one event after another. Why a connection failed or ended it
// gives as an error, and then tries again if the caller goes on. It ends with
// ctx's error, or with a *[StatusError] that will not go away.
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
			status, refused := errors.AsType[*StatusError](err)
			if !yield(Event{}, err) || ctx.Err() != nil || refused && status.permanent() {
				return
			}
			wait := pause
			if refused {
				wait = max(wait, min(status.RetryAfter, most))
			}
			if !sleep(ctx, wait) {
				yield(Event{}, ctx.Err())
				return
			}
		}
	}
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
	body, err := c.connect(ctx, *after)
	if err != nil {
		return false, true, err
	}
	defer body.Close() //nolint:errcheck // nothing is written to it
	p := Parser{r: bufio.NewReader(body), id: *after}
	for {
		e, err := p.Next()
		if err != nil {
			return came, true, err
		}
		came, *after = true, e.ID
		if !yield(e, nil) {
			return came, false, nil
		}
	}
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
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	do := cmp.Or(c.HTTP, http.DefaultClient)
	answer, err := do.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()                                 //nolint:errcheck // nothing is written to it
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // as far as it comes
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))

		return nil, &StatusError{answer.StatusCode, string(text), time.Duration(seconds) * time.Second}
	}

	return answer.Body, nil
}

// Parser reads events from a stream. Make one with NewParser.
type Parser struct {
	r  *bufio.Reader
	id string
}

// NewParser reads from r.
func NewParser(r io.Reader) *Parser { return &Parser{r: bufio.NewReader(r)} }

const maxLine = 1 << 20

// Next is the next event; io.EOF where the stream ends, also in the middle of
// an event.
func (p *Parser) Next() (Event, error) {
	e, some := Event{Type: "message"}, false
	for {
		line, err := p.line()
		if err != nil {
			return Event{}, err
		}
		if len(line) == 0 {
			if some {
				e.ID = p.id
				return e, nil
			}
			e.Type = "message"
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			p.id = string(value)
		case "event":
			e.Type = string(value)
		case "data":
			if some {
				e.Data = append(e.Data, '\n')
			}
			e.Data, some = append(e.Data, value...), true
		}
	}
}

// line is the next line without its end.
func (p *Parser) line() ([]byte, error) {
	var line []byte
	for {
		part, err := p.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, ErrTooLong
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, err
		default:
			return bytes.TrimRight(line, "\r\n"), nil
		}
	}
}
