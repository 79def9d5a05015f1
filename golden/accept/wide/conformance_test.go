package wide_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/wide/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/conform"
)

func TestConformance(t *testing.T) {
	conform.Run(t, taskqueue.New, taskqueue.Run, taskqueue.NewReplica, nil)
}
