package plan_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tqgen/tqgen/generator/load"
	"github.com/tqgen/tqgen/generator/model"
	"github.com/tqgen/tqgen/generator/plan"
)

// TestPlan plans a package with two payloads and compares what is not the
// codec's.
func TestPlan(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../../golden/accept/several")
	if err != nil {
		t.Fatal(err)
	}
	prog, err := load.Load(t.Context(), load.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	queues, diags := plan.Plan(prog)
	if len(diags) > 0 {
		t.Fatal(diags)
	}

	const path = "github.com/tqgen/tqgen/golden/accept/several"
	address := model.Guard{
		Kind: model.GuardStruct, Name: "Address", Type: "several.Address",
		Fields: []model.GuardField{
			{Name: "Name", Type: "string", Tag: `json:"name"`},
			{Name: "City", Type: "string", Tag: `json:"city"`},
		},
	}
	want := []*model.Queue{
		{
			Source: path + ".Email",
			Name:   "email",
			Package: model.Package{
				Name: "emailqueue", Path: path + "/emailqueue", Dir: filepath.Join(dir, "emailqueue"), Own: true,
			},
			Payload: model.Payload{
				Name: "Email", Type: "several.Email", Article: "an", ChunkBits: 10,
				Fields: []model.LogField{
					{Name: "to", Expr: "To"},
					{Name: "text", Expr: "Text", Kind: model.LogString},
				},
			},
			Policy: model.Policy{
				Capacity: 64, Attempts: 2, Dead: 64, Lease: 30 * time.Second, Heartbeat: 10 * time.Second,
				High: 1,
			},
			Guards: []model.Guard{address, {
				Kind: model.GuardStruct, Name: "Email", Type: "several.Email",
				Fields: []model.GuardField{
					{Name: "To", Type: "several.Address", Tag: `json:"to"`},
					{Name: "Text", Type: "string", Tag: `json:"text"`},
				},
			}},
		},
		{
			Source: path + ".Parcel",
			Name:   "parcels/eu",
			Package: model.Package{
				Name: "parcels", Path: path + "/out/parcels", Dir: filepath.Join(dir, "out", "parcels"), Own: true,
			},
			Payload: model.Payload{
				Name: "Parcel", Type: "several.Parcel", Article: "a", ChunkBits: 10,
				Fields: []model.LogField{
					{Name: "to", Expr: "To"},
					{Name: "grams", Expr: "Grams", Kind: model.LogPlainInt},
				},
				MemoryOnly: []string{"weighed"},
			},
			Policy: model.Policy{
				Capacity: 512, Attempts: 5, Dead: 16, Lease: 90 * time.Second, Heartbeat: 20 * time.Second,
				High: 400, Low: 100, Cooldown: 2 * time.Second,
				Backoff: model.Backoff{
					Kind: model.ConstBackoff, Base: 250 * time.Millisecond, Max: 250 * time.Millisecond,
				},
			},
			Guards: []model.Guard{address, {
				Kind: model.GuardFields, Name: "Parcel", Type: "several.Parcel",
				Fields: []model.GuardField{{Name: "To", Type: "several.Address"}, {Name: "Grams", Type: "int"}},
			}},
		},
	}
	rest := cmpopts.IgnoreFields(model.Queue{}, "Codec", "Imports", "Names")
	if diff := cmp.Diff(want, queues, rest); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
}

// TestPlanIsTheSameEachTime plans twice and compares everything.
func TestPlanIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	var plans [2][]*model.Queue
	for i := range plans {
		prog, err := load.Load(t.Context(), load.Config{Dir: "../../golden/accept", Patterns: []string{"./..."}})
		if err != nil {
			t.Fatal(err)
		}
		queues, diags := plan.Plan(prog)
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		plans[i] = queues
	}
	if diff := cmp.Diff(plans[0], plans[1]); diff != "" {
		t.Errorf("two plans of one input:\n%s", diff)
	}
}
