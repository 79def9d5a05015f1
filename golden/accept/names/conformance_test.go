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
	conform.Run(t, queuequeue.New, queuequeue.Run, nil)
	conform.Run(t, leasequeue.New, leasequeue.Run, nil)
	conform.Run(t, eventqueue.New, eventqueue.Run, nil)
	conform.Run(t, snapshotqueue.New, snapshotqueue.Run, nil)
}
