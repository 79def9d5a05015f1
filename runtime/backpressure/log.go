package backpressure

import (
	"context"
	"log/slog"
)

// Log is a listener that writes each signal to l: at level Warn when
// backpressure begins, at Info otherwise. Keys are those of metric attributes.
func Log(l *slog.Logger) Listener {
	return func(ctx context.Context, s Signal) error {
		level, text := slog.LevelInfo, "no backpressure"
		if s.Active {
			level, text = slog.LevelWarn, "backpressure"
		}
		attrs := []slog.Attr{
			slog.String("taskqueue.name", s.Queue), slog.Int("taskqueue.pending", s.Pending),
			slog.Int("taskqueue.backpressure.high_watermark", s.High),
			slog.Int("taskqueue.backpressure.low_watermark", s.Low),
			slog.Uint64("taskqueue.backpressure.generation", s.Generation),
		}
		if s.Shard != "" {
			attrs = append(attrs, slog.String("taskqueue.shard", s.Shard))
		}
		l.LogAttrs(ctx, level, text, attrs...)

		return nil
	}
}
