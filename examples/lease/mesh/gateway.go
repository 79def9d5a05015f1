package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Headers of what is sent to the gateway.
const (
	headerKey     = "Idempotency-Key"
	headerInDoubt = "In-Doubt"
	headerWorker  = "Worker"
)

// mail is what is sent, and what has become of it.
type mail struct {
	Key       string `json:"key"`
	Resource  string `json:"resource"`
	Task      string `json:"task"`
	MessageID string `json:"messageId"`
	Calls     int    `json:"calls"` // with this key
	Sure      int    `json:"sure"`  // calls that did not say they are in doubt: at most the one begun first
	Mixed     int    `json:"mixed"` // calls for another resource
}

// gateway is a fake mail provider. It sends one message for each idempotency
// key, and counts the calls. Its methods are safe for concurrent use.
type gateway struct {
	hold chan holding // takes whoever wants to hold a call

	mu    sync.Mutex
	mails map[string]*mail // by key; guarded by mu
}

// holding is a wish to have the next call answered late.
type holding struct {
	late   time.Duration
	caught chan<- caught
}

// caught is a call that has been made and is not answered yet.
type caught struct {
	Worker string `json:"worker"`
	Task   string `json:"task"`
}

func newGateway() *gateway { return &gateway{hold: make(chan holding), mails: map[string]*mail{}} }

// handler serves POST /send and GET /mails, and POST /hold, which has the next
// call be answered late, and says which one that is.
func (g *gateway) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /send", g.send)
	mux.HandleFunc("POST /hold", g.catch)
	mux.HandleFunc("GET /mails", func(w http.ResponseWriter, _ *http.Request) { answer(w, g.all()) })
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, "alive") })

	return mux
}

// send takes one mail.
func (g *gateway) send(w http.ResponseWriter, r *http.Request) {
	var m mail
	err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&m)
	m.Key = r.Header.Get(headerKey)
	if err != nil || m.Key == "" {
		http.Error(w, "want a mail and "+headerKey, http.StatusBadRequest)
		return
	}
	sent := g.take(m, r.Header.Get(headerInDoubt) == "true")
	select {
	case h := <-g.hold:
		h.caught <- caught{r.Header.Get(headerWorker), m.Task}
		_ = pause(r.Context(), h.late)
	default:
	}
	answer(w, sent)
}

// catch waits for the next call.
func (g *gateway) catch(w http.ResponseWriter, r *http.Request) {
	late, err := time.ParseDuration(r.FormValue("for"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	made := make(chan caught, 1)
	select {
	case g.hold <- holding{late, made}:
		answer(w, <-made)
	case <-r.Context().Done():
	}
}

// take counts a call and gives the message that was sent for its key.
func (g *gateway) take(m mail, inDoubt bool) mail {
	g.mu.Lock()
	defer g.mu.Unlock()
	sent := g.mails[m.Key]
	if sent == nil {
		sent = &mail{Key: m.Key, Resource: m.Resource, Task: m.Task, MessageID: fmt.Sprintf("m-%d", len(g.mails)+1)}
		g.mails[m.Key] = sent
	}
	sent.Calls++
	if !inDoubt {
		sent.Sure++
	}
	if sent.Resource != m.Resource {
		sent.Mixed++
	}

	return *sent
}

// all is every mail, by key.
func (g *gateway) all() []mail {
	g.mu.Lock()
	defer g.mu.Unlock()
	mails := make([]mail, 0, len(g.mails))
	for _, key := range slices.Sorted(maps.Keys(g.mails)) {
		mails = append(mails, *g.mails[key])
	}

	return mails
}

// answer answers with the JSON of v.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // to a client that may be gone
}

// runGateway is the process.
func runGateway(ctx context.Context, s settings, out *said) error {
	listener, err := listen(ctx, s.listen)
	if err != nil {
		return err
	}

	return serve(ctx, listener, 0, newGateway().handler(), out.ready)
}
