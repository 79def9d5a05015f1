package inside_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/inside/internal/queues/payments"
	"github.com/tqgen/tqgen/golden/internal/conform"
)

func TestConformance(t *testing.T) {
	conform.Run(t, payments.New, payments.Run, payments.NewReplica, nil)
}
