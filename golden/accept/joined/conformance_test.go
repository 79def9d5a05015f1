package joined_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/joined"
	"github.com/tqgen/tqgen/golden/internal/conform"
)

func TestConformance(t *testing.T) {
	conform.Run(t, joined.NewEmailQueue, joined.RunEmail, joined.NewEmailReplica, nil)
	conform.Run(t, joined.NewHTTPCallQueue, joined.RunHTTPCall, joined.NewHTTPCallReplica, nil)
}
