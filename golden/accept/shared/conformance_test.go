package shared_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/shared"
	"github.com/tqgen/tqgen/golden/accept/shared/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/conform"
)

func TestConformance(t *testing.T) {
	conform.Run(t, taskqueue.New, taskqueue.Run, taskqueue.NewReplica, nil)
}

func TestConformanceJoined(t *testing.T) {
	conform.Run(t, shared.NewErrandQueue, shared.RunErrand, shared.NewErrandReplica, nil)
}
