package dispatch

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// call is one request while it is answered.
type call struct {
	s         *Service
	w         http.ResponseWriter
	r         *http.Request
	role      *role
	procedure string
	peer      string // who asks, as Authorize has found out
	enqueued  EnqueueRequest
	wanted    LeaseRequest
	slow      bool // body and answer may be large
	status    int  // of an answer that is no refusal
}

// read hands the body, if there is one, to decode.
func (c *call) read(max int64, optional bool, decode func([]byte) error) error {
	body, err := c.body(max)
	switch {
	case err != nil:
		return err
	case len(body) == 0 && optional:
		return nil
	}
	if err := c.media(); err != nil {
		return err
	}
	if err := decode(body); err != nil {
		return malformed(err)
	}

	return nil
}

// media says why the body is not of a form that is read here.
func (c *call) media() error {
	t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	coding := c.r.Header.Get("Content-Encoding")
	want := ""
	switch {
	case err != nil || t != "application/json":
		want = "want Content-Type: application/json"
	case coding != "" && !strings.EqualFold(coding, "identity"):
		want = "want no Content-Encoding: the body is read as it is"
		c.w.Header().Set("Accept-Encoding", "identity")
	default:
		return nil
	}

	return &Error{Status: http.StatusUnsupportedMediaType, Code: CodeMediaType, Message: want}
}

func (c *call) body(max int64) ([]byte, error) {
	control := http.NewResponseController(c.w)
	_ = control.SetReadDeadline(time.Now().Add(c.patience(c.s.o.ReadTimeout))) // no connection, nothing slow
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, max))
	if err == nil {
		_ = control.SetReadDeadline(time.Time{}) // what comes now is that the client goes
		return body, nil
	}
	c.w.Header().Set("Connection", "close") // nobody waits for the rest
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &Error{
			Status: http.StatusRequestEntityTooLarge, Code: CodeTooLarge,
			Message: "the body has more than " + strconv.FormatInt(max, 10) + " bytes",
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &Error{Status: http.StatusRequestTimeout, Code: CodeSlow, Message: "the body took too long"}
	default:
		return nil, invalid(CodeRequestInvalid, "", "the body is cut off")
	}
}

func (c *call) patience(d time.Duration) time.Duration {
	if c.slow {
		return 6 * d
	}

	return d
}

// waiting is a context for waiting at the queue: it ends with the request, with
// the node's role, and after d, with over as its cause.
func (c *call) waiting(d time.Duration, over error) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(c.r.Context())
	stop := context.AfterFunc(c.role, func() { cancel(context.Cause(c.role)) })
	timer := time.AfterFunc(d, func() { cancel(over) })

	return ctx, func() {
		stop()
		timer.Stop()
		cancel(nil)
	}
}

// ended is why waiting has ended, if err says that it has and that nothing has
// happened.
func (c *call) ended(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) || errors.Is(err, tq.ErrUncertain) {
		return err
	}
	cause := context.Cause(ctx)
	if !errors.Is(cause, errMoved) {
		return cause
	}
	if now := c.s.role.Load(); now.queue == nil {
		return notOwner(now.owner)
	}

	return tq.ErrDeposed // by a queue of this node's: ask again
}

// answer sends what a codec has made.
func (c *call) answer(body []byte, err error) error {
	if err != nil {
		return err
	}

	return c.send(c.status, append(body, '\n'))
}

// send gives an error if the client cannot have got the body.
func (c *call) send(status int, body []byte) error {
	control := http.NewResponseController(c.w)
	_ = control.SetWriteDeadline(time.Now().Add(c.patience(c.s.o.WriteTimeout)))
	h := c.w.Header()
	h.Set("Cache-Control", "no-store")
	if len(body) > 0 {
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(status)
	if _, err := c.w.Write(body); err != nil && len(body) > 0 {
		return errGone
	}
	if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errGone
	}
	_ = control.SetWriteDeadline(time.Time{}) // the connection may serve what streams

	return nil
}

// errGone says that there is nobody to answer.
var errGone = errors.New("dispatch: the client has gone")

// refuse answers err, in the wire form of a task's error.
func (c *call) refuse(err error) {
	if errors.Is(err, errGone) || errors.Is(err, context.Canceled) && c.r.Context().Err() != nil {
		return
	}
	e := answerTo(err)
	c.s.o.Logger.LogAttrs(c.r.Context(), level(e.Status), "request refused",
		slog.String("procedure", c.procedure), slog.String("taskqueue.peer", c.peer),
		slog.Int("status", e.Status), slog.String("error.type", e.Code), slog.Any("error", e.logged()))
	if e.RetryAfter > 0 && c.w.Header().Get("Retry-After") == "" {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		c.w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	body := tq.TaskError{Message: e.Message, Code: e.Code}
	if e.Path != "" || e.Owner != "" {
		body.Metadata = map[string]tq.Plain{}
	}
	if e.Path != "" {
		body.Metadata["path"] = tq.PlainString(e.Path)
	}
	if e.Owner != "" {
		body.Metadata["owner"] = tq.PlainString(e.Owner)
	}
	_ = c.send(e.Status, append(body.AppendJSON(nil), '\n')) // to a client that may have gone
}

// logged is what is told to whoever runs the service.
func (e *Error) logged() error {
	if e.cause != nil {
		return e.cause
	}

	return errors.New(e.Message)
}

func level(status int) slog.Level {
	if status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable {
		return slog.LevelError
	}

	return slog.LevelInfo
}
