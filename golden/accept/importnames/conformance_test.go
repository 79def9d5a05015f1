package importnames_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/importnames/context/valuequeue"
	"github.com/tqgen/tqgen/golden/accept/importnames/peer/peerqueue"
	"github.com/tqgen/tqgen/golden/accept/importnames/q"
	"github.com/tqgen/tqgen/golden/accept/importnames/q/letterqueue"
	"github.com/tqgen/tqgen/golden/accept/importnames/time/alarmqueue"
	"github.com/tqgen/tqgen/golden/accept/importnames/tq/callqueue"
	"github.com/tqgen/tqgen/golden/internal/conform"
)

func TestConformance(t *testing.T) {
	conform.Run(t, alarmqueue.New, alarmqueue.Run, alarmqueue.NewReplica, nil)
	conform.Run(t, callqueue.New, callqueue.Run, callqueue.NewReplica, nil)
	conform.Run(t, letterqueue.New, letterqueue.Run, letterqueue.NewReplica, func(n int) q.Letter {
		return q.Letter{Body: q.Body{Lines: make([]string, n)}}
	})
	conform.Run(t, peerqueue.New, peerqueue.Run, peerqueue.NewReplica, nil)
	conform.Run(t, valuequeue.New, valuequeue.Run, valuequeue.NewReplica, nil)
}
