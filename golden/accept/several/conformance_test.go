package several_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/several/emailqueue"
	"github.com/tqgen/tqgen/golden/accept/several/out/parcels"
	"github.com/tqgen/tqgen/golden/internal/conform"
)

func TestConformance(t *testing.T) {
	conform.Run(t, emailqueue.New, emailqueue.Run, emailqueue.NewReplica, nil)
	conform.Run(t, parcels.New, parcels.Run, parcels.NewReplica, nil)
}
