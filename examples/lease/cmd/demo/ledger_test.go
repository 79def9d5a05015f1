package main

import (
	"testing"

	"github.com/tqgen/tqgen/runtime/tq"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	a, b := tq.TaskID{Origin: 1, Sequence: 1}, tq.TaskID{Origin: 1, Sequence: 2}

	cases := map[string]struct {
		play               func(*ledger)
		holds              []left
		lost, twice, mixed int
	}{
		"nothing": {play: func(*ledger) {}},
		"completed": {play: func(l *ledger) {
			l.accepted(a, 7)
			l.completed(a, 7)
		}},
		"completed before its producer knew": {play: func(l *ledger) {
			l.completed(a, 7)
			l.accepted(a, 7)
		}},
		"still there": {
			play:  func(l *ledger) { l.accepted(a, 7) },
			holds: []left{{a, 7}},
		},
		"gone": {
			play: func(l *ledger) { l.accepted(a, 7) },
			lost: 1,
		},
		"completed twice": {
			play: func(l *ledger) {
				l.accepted(a, 7)
				l.completed(a, 7)
				l.completed(a, 7)
			},
			twice: 1,
		},
		"completed and purged": {
			play: func(l *ledger) {
				l.accepted(a, 7)
				l.completed(a, 7)
				l.purged(a, 7)
			},
			twice: 1,
		},
		"completed and still there": {
			play: func(l *ledger) {
				l.accepted(a, 7)
				l.completed(a, 7)
			},
			holds: []left{{a, 7}},
			twice: 1,
		},
		"there though never accepted": {
			play:  func(*ledger) {},
			holds: []left{{a, 7}},
			twice: 1,
		},
		"one lost does not make up for one too many": {
			play: func(l *ledger) {
				l.accepted(a, 7)
				l.accepted(b, 8)
				l.completed(b, 8)
				l.completed(b, 8)
			},
			lost:  1,
			twice: 1,
		},
		"payloads exchanged": {
			play: func(l *ledger) {
				l.accepted(a, 7)
				l.accepted(b, 8)
				l.completed(a, 8)
				l.completed(b, 7)
			},
			mixed: 2,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger()
			c.play(l)
			lost, twice := l.close(c.holds)
			if lost != c.lost || twice != c.twice || l.totals().mixed != c.mixed {
				t.Errorf("lost %d, twice %d, mixed %d; want %d, %d, %d",
					lost, twice, l.totals().mixed, c.lost, c.twice, c.mixed)
			}
		})
	}
}
