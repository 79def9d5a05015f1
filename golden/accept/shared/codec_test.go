package shared_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/golden/accept/shared"
	"github.com/tqgen/tqgen/golden/accept/shared/geo"
	"github.com/tqgen/tqgen/golden/accept/shared/safequeue"
	"github.com/tqgen/tqgen/golden/accept/shared/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
	"github.com/tqgen/tqgen/runtime/jsonwire"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	t.Run("queue", func(t *testing.T) {
		t.Parallel()
		jsondiff.Run(t, jsondiff.Codec[shared.Task]{
			Append: taskqueue.AppendJSON, Parse: taskqueue.ParseJSON, Decode: taskqueue.DecodeJSON,
		})
	})
	t.Run("payload", func(t *testing.T) {
		t.Parallel()
		jsondiff.Run(t, jsondiff.Codec[shared.Task]{
			Append: shared.AppendTaskJSON, Parse: shared.ParseTaskJSON, Decode: shared.DecodeTaskJSON, Values: 100,
		})
	})
	t.Run("joined", func(t *testing.T) {
		t.Parallel()
		jsondiff.Run(t, jsondiff.Codec[shared.Errand]{
			Append: shared.AppendErrandJSON, Parse: shared.ParseErrandJSON, Decode: shared.DecodeErrandJSON, Values: 100,
		})
	})
	t.Run("place", func(t *testing.T) {
		t.Parallel()
		jsondiff.Run(t, jsondiff.Codec[geo.Place]{
			Append: geo.AppendPlaceJSON, Parse: geo.ParsePlaceJSON, Decode: geo.DecodePlaceJSON, Values: 100,
		})
	})
	t.Run("route", func(t *testing.T) {
		t.Parallel()
		jsondiff.Run(t, jsondiff.Codec[geo.Route]{
			Append: geo.AppendRouteJSON, Parse: geo.ParseRouteJSON, Decode: geo.DecodeRouteJSON, Values: 100,
		})
	})
	t.Run("road", func(t *testing.T) {
		t.Parallel()
		jsondiff.Run(t, jsondiff.Codec[geo.Road]{
			Append: geo.AppendRoadJSON, Parse: geo.ParseRoadJSON, Decode: geo.DecodeRoadJSON, Values: 100,
		})
	})
	t.Run("box", func(t *testing.T) {
		t.Parallel()
		jsondiff.Run(t, jsondiff.Codec[geo.PlaceBox]{
			Append: geo.AppendPlaceBoxJSON, Parse: geo.ParsePlaceBoxJSON, Decode: geo.DecodePlaceBoxJSON, Values: 100,
		})
	})
}

// Whoever holds a shared struct calls its codec and has no functions for it,
// but where the struct leads back to what is encoded, or has no address that
// its methods would need.
func TestWhoCallsWhom(t *testing.T) {
	t.Parallel()
	call := regexp.MustCompile(`\b(?:geo\.|shared\.)?(?:Append|Read)[A-Z]\w*JSON\(`)
	for file, want := range map[string][]string{
		"taskqueue/codec.tq.go": {"shared.AppendTaskJSON(", "shared.ReadTaskJSON("},
		"task_codec.tq.go": {
			"geo.AppendEmptyJSON(", "geo.AppendMarkedJSON(", "geo.AppendPlaceBoxJSON(", "geo.AppendPlaceJSON(",
			"geo.AppendRoadJSON(", "geo.AppendRouteJSON(", "geo.ReadEmptyJSON(", "geo.ReadMarkedJSON(",
			"geo.ReadPlaceBoxJSON(", "geo.ReadPlaceJSON(", "geo.ReadRoadJSON(", "geo.ReadRouteJSON(",
		},
		"errand_codec.tq.go":     {"AppendTaskJSON(", "ReadTaskJSON(", "geo.AppendPlaceJSON(", "geo.ReadPlaceJSON("},
		"geo/place_codec.tq.go":  nil,
		"geo/route_codec.tq.go":  {"AppendPlaceJSON(", "ReadPlaceJSON("},
		"geo/road_codec.tq.go":   {"AppendPlaceJSON(", "ReadPlaceJSON("},
		"geo/marked_codec.tq.go": {"AppendPlaceJSON(", "ReadPlaceJSON("},
	} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(string(content)) {
			if !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "func ") {
				got = append(got, call.FindAllString(line, -1)...)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// A cycle through two codecs ends in an error.
func TestCycle(t *testing.T) {
	t.Parallel()
	road := &geo.Road{Ends: []geo.Crossing{{Roads: map[string]*geo.Road{}}}}
	road.Ends[0].Roads["again"] = road
	var unsupported *jsonwire.UnsupportedValueError
	if _, err := geo.AppendRoadJSON(nil, road); !errors.As(err, &unsupported) {
		t.Errorf("got %v", err)
	}
	dst, err := taskqueue.AppendJSON([]byte("x"), &shared.Task{Ptrs: map[string]*geo.Road{"a": road}})
	if !errors.As(err, &unsupported) || string(dst) != "x" {
		t.Errorf("got %v, %d bytes", err, len(dst))
	}
}

// What a shared struct hides stays hidden in whoever holds it, and errors say
// the whole way.
func TestErrors(t *testing.T) {
	t.Parallel()
	var got *jsonwire.TypeError
	_, err := taskqueue.ParseJSON([]byte(`{"route":{"Stops":[{},{"code":"12345"}]}}`))
	if !errors.As(err, &got) || got.Field != "route.Stops.code" || got.Offset != 37 {
		t.Errorf("got %v", err)
	}
	for _, document := range []string{`{"Vault":{"PIN":12345678901234567890}}`, `{"Place":{"code":1234567.5}}`} {
		if _, err := safequeue.ParseJSON([]byte(document)); err == nil || strings.Contains(err.Error(), "1234567") {
			t.Errorf("%s: got %v", document, err)
		}
	}
	safe := shared.Safe{Vault: geo.Vault{PIN: 1234567}, Place: geo.Place{Code: 1234567}}
	if shown := fmt.Sprint(safequeue.Event{Payload: safe}); strings.Contains(shown, "1234567") {
		t.Errorf("shown: %s", shown)
	}
}
