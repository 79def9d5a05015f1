package replication

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// What transports have in common. Each carries the same stream of bytes: the wire
// form of one event after another, each with a line feed at its end, and an empty
// line for a heartbeat.

// Open attaches a reader behind a position. The error matches tq.ErrForeign if
// the position is in another life of the queue, or is the feed's.
func Open(feed Feed, after tq.Position) (Lines, error) {
	_, life := feed.Queue()
	if after.Incarnation != 0 && after.Incarnation != life {
		return nil, fmt.Errorf("%w: the position is of incarnation %v, this is %v", tq.ErrForeign, after.Incarnation, life)
	}

	return feed.Lines(after.Sequence)
}

// Send writes lines, and an empty one where none comes for heartbeat, until it
// cannot: the error is ctx's, that of lines or of write, or matches ErrTooLarge if
// an event has more than maxLine bytes, once what is before it was written. What
// write gets are whole lines, which it does not keep. While one piece is written
// the next one is made.
func Send(
	ctx context.Context, lines Lines, heartbeat time.Duration, maxLine int, write func([]byte) error,
) error {
	ctx, cancel := context.WithCancel(ctx)
	s := sending{
		lines: lines, heartbeat: heartbeat, maxLine: maxLine,
		made: make(chan piece), empty: make(chan []byte, 2),
	}
	s.empty <- nil
	s.empty <- nil
	go s.fill(ctx)
	defer func() {
		cancel()
		for range s.made { // until fill has ended
		}
	}()

	return s.copy(ctx, write)
}

// sending is one run of Send.
type sending struct {
	lines     Lines
	heartbeat time.Duration
	maxLine   int
	made      chan piece
	empty     chan []byte
}

// piece is what is written at once, and why nothing comes after it.
type piece struct {
	lines []byte
	err   error
}

func (s *sending) copy(ctx context.Context, write func([]byte) error) error {
	for p := range s.made {
		if len(p.lines) > 0 {
			if gated, ok := s.lines.(*Gated); ok {
				gated.offer(p.lines)
			}
			if err := write(p.lines); err != nil {
				return err
			}
		}
		if p.err != nil {
			return p.err
		}
		if cap(p.lines) > maxKept {
			p.lines = nil
		}
		s.empty <- p.lines
	}

	return ctx.Err()
}

// maxKept is the largest buffer that is used again: what is larger was for an
// event as large as few are.
const maxKept = 4 << 20

// fill makes pieces of what comes until it has made one with an error, or ctx
// ends, and closes made.
func (s *sending) fill(ctx context.Context) {
	defer close(s.made)
	for {
		var p piece
		select {
		case buf := <-s.empty:
			p = s.next(ctx, buf[:0])
		case <-ctx.Done():
			return
		}
		select {
		case s.made <- p:
		case <-ctx.Done():
			return
		}
		if p.err != nil {
			return
		}
	}
}

// next waits for a piece, which is a heartbeat if nothing else comes in time.
func (s *sending) next(ctx context.Context, buf []byte) piece {
	soon, cancel := context.WithTimeout(ctx, s.heartbeat)
	defer cancel()
	grown, err := s.lines.Append(soon, buf)
	switch {
	case err == nil:
		grown, err = s.short(grown)
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		grown, err = append(grown[:0], '\n'), nil
	}

	return piece{grown, err}
}

// short gives the lines before the first that is too long, and an error if
// there is one.
func (s *sending) short(lines []byte) ([]byte, error) {
	for rest := lines; len(rest) > s.maxLine; {
		end := bytes.IndexByte(rest, '\n')
		if end > s.maxLine {
			return lines[:len(lines)-len(rest)], fmt.Errorf("%w: an event has %d bytes, at most %d are sent: raise MaxLine of the handler",
				ErrTooLarge, end, s.maxLine)
		}
		rest = rest[end+1:]
	}

	return lines, nil
}

// Receive calls line for each line of in that is no heartbeat, which does not
// keep what it gets. It ends with io.EOF where in ends behind a line; otherwise
// the error is that of line or of in, or matches ErrTooLarge if a line has more
// than maxLine bytes, or ErrUnavailable if in ends within one. It calls silent
// where it has read for so long without getting a line to its end; that is to make
// in return an error. What line takes does not count.
func Receive(
	in io.Reader, maxLine int, silence time.Duration, silent func(), line func([]byte) error,
) error {
	timed := &timedReader{in: in, over: time.AfterFunc(silence, silent), left: silence}
	timed.over.Stop()
	lines := lineReader{in: bufio.NewReaderSize(timed, 64<<10), max: maxLine}
	for {
		text, err := lines.next()
		if err != nil {
			return err
		}
		if len(text) > 0 {
			if err := line(text); err != nil {
				return err
			}
		}
		timed.left = silence
	}
}

// timedReader reads what comes in time. Whoever reads from it sets left anew
// once it has what it waits for; what is done with that in between takes as long
// as it takes.
type timedReader struct {
	in   io.Reader
	over *time.Timer // makes in return
	left time.Duration
}

func (r *timedReader) Read(p []byte) (int, error) {
	begun := time.Now()
	r.over.Reset(r.left)
	n, err := r.in.Read(p)
	r.over.Stop()
	r.left -= time.Since(begun)

	return n, err
}

// lineReader reads lines of bounded length.
type lineReader struct {
	in   *bufio.Reader
	max  int
	long []byte // a line that is longer than the buffer of in
}

// next is the next line, without its end; it is valid until the call after.
func (l *lineReader) next() ([]byte, error) {
	if cap(l.long) > maxKept {
		l.long = nil
	}
	l.long = l.long[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		switch {
		case len(l.long)+len(part) > l.max+1:
			return nil, fmt.Errorf("%w: an event of more than %d bytes: raise MaxLine of the client", ErrTooLarge, l.max)
		case err == nil && len(l.long) == 0:
			return part[:len(part)-1], nil
		case err == nil:
			l.long = append(l.long, part...)

			return l.long[:len(l.long)-1], nil
		case err == io.EOF && len(l.long)+len(part) > 0:
			return nil, fmt.Errorf("%w: the stream ends within an event", ErrUnavailable)
		case err != bufio.ErrBufferFull:
			return nil, err
		}
		l.long = append(l.long, part...)
	}
}

// Said is the error that a code of the source stands for here, in the source's
// words, if it is one that trying again does not mend; else nil.
func Said(code, words string) error {
	for _, err := range [...]error{tq.ErrGap, tq.ErrForeign, tq.ErrDeposed, ErrTooLarge} {
		if tq.ErrorCode(err) != code {
			continue
		}
		words = strings.TrimPrefix(strings.TrimPrefix(words, err.Error()), ": ")
		if words == "" {
			return err
		}

		return fmt.Errorf("%w: %s", err, words)
	}

	return nil
}
