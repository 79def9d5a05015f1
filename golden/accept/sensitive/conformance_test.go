package sensitive_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/sensitive/orderqueue"
	"github.com/tqgen/tqgen/golden/internal/conform"
)

func TestConformance(t *testing.T) {
	conform.Run(t, orderqueue.New, orderqueue.Run, orderqueue.NewReplica, nil)
}
