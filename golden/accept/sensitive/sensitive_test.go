package sensitive_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/tqgen/tqgen/golden/accept/sensitive"
	"github.com/tqgen/tqgen/golden/accept/sensitive/orderqueue"
	"github.com/tqgen/tqgen/golden/accept/sensitive/vault"
)

const secret = "4111111111111111"

func order() sensitive.Order {
	card := sensitive.Card{Bank: "visible bank", Code: sensitive.Code{Length: 16, Digits: secret}}

	return sensitive.Order{
		ID:      "visible id",
		Note:    secret,
		Card:    card,
		Spare:   &card,
		Cards:   []sensitive.Card{card},
		ByName:  map[string]sensitive.Card{"a": card},
		Pair:    [2]sensitive.Card{card, card},
		Key:     vault.Key{ID: "visible key", Bits: []byte(secret)},
		Contact: sensitive.Contact{Name: "visible name", Phone: secret},
		Origin:  &sensitive.Origin{Country: "visible country"},
		Cache:   map[string]string{"card": secret},
	}
}

// shown gives everything generated that holds a payload.
func shown(t *testing.T) map[string]any {
	t.Helper()
	q, err := orderqueue.New(orderqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	events, err := q.Watch(0)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()

	if _, err := q.Enqueue(t.Context(), order()); err != nil {
		t.Fatal(err)
	}
	e, err := events.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, err := q.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.DeadLetter(t.Context(), fmt.Errorf("refused")); err != nil {
		t.Fatal(err)
	}
	letters, err := q.DeadLetters(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := q.Drain(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}

	return map[string]any{
		"lease": l, "pointer to a lease": &l, "event": e, "dead letter": letters[0], "task": s.Tasks[0],
		"leases": []orderqueue.Lease{l}, "snapshot": s, "letters": letters,
	}
}

func TestNothingSensitiveIsFormatted(t *testing.T) {
	t.Parallel()
	for name, v := range shown(t) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if text := fmt.Sprintf(verb, v); leaks(text) {
				t.Errorf("%s with %s: %s", name, verb, text)
			}
		}
	}
}

func TestNothingSensitiveIsLogged(t *testing.T) {
	t.Parallel()
	for name, v := range shown(t) {
		if name == "leases" || name == "letters" {
			continue // slog asks no element of a slice how it wants to be shown
		}
		var text, json bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&json, nil)).Info("x", "v", v)
		for _, line := range []string{text.String(), json.String()} {
			if leaks(line) {
				t.Errorf("%s: %s", name, line)
			}
			if name != "snapshot" && strings.Count(line, "visible") != 5 {
				t.Errorf("%s: not all that may be seen is seen: %s", name, line)
			}
		}
	}
}

// leaks also finds the secret in hexadecimal, and the base64 of its beginning.
func leaks(text string) bool {
	return strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) ||
		strings.Contains(text, "NDExMTEx")
}

func TestNothingSensitiveIsInErrors(t *testing.T) {
	t.Parallel()
	for _, document := range []string{
		`{"note":` + secret + `}`,
		`{"card":{"code":{"digits":` + secret + `}}}`,
		`{"key":{"bits":"*` + secret + `"}}`,
		`{"byName":{"a":{"code":{"digits":[` + secret + `]}}}}`,
	} {
		_, err := orderqueue.ParseJSON([]byte(document))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error is %v", document, err)
		}
	}
}

// What cannot be written, or read, is refused without being shown.
func TestErrorsShowNothing(t *testing.T) {
	t.Parallel()
	o := order()
	o.Card.Code.Pin = sensitive.NewPin("x" + secret)
	_, err := orderqueue.AppendJSON(nil, &o)
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("writing: %v", err)
	}
	if !errors.Is(err, strconv.ErrSyntax) {
		t.Errorf("writing: %v does not match the cause", err)
	}
	_, err = orderqueue.ParseJSON([]byte(`{"card":{"code":{"pin":"x` + secret + `"}}}`))
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("reading: %v", err)
	}
}
