package names_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/names/eventqueue"
	"github.com/tqgen/tqgen/golden/accept/names/leasequeue"
	"github.com/tqgen/tqgen/golden/accept/names/queuequeue"
	"github.com/tqgen/tqgen/golden/accept/names/snapshotqueue"
	"github.com/tqgen/tqgen/golden/internal/conform"
)

func TestConformance(t *testing.T) {
	conform.Run(t, queuequeue.New, queuequeue.Run, queuequeue.NewReplica, nil)
	conform.Run(t, leasequeue.New, leasequeue.Run, leasequeue.NewReplica, nil)
	conform.Run(t, eventqueue.New, eventqueue.Run, eventqueue.NewReplica, nil)
	conform.Run(t, snapshotqueue.New, snapshotqueue.Run, snapshotqueue.NewReplica, nil)
}
