package main

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// site is a diagnostics host behind a listener whose connections can be cut.
type site struct {
	url    string
	host   *diagnostics.Host
	server *http.Server

	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu
}

// serve shows q and m at an address.
func serve(address string, q *leasequeue.Local, m *backpressure.Monitor) (*site, error) {
	host, err := diagnostics.New(diagnostics.Options{})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(host.AttachQueue(q), host.AttachMonitor(m)); err != nil {
		return nil, errors.Join(err, host.Close())
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, errors.Join(err, host.Close())
	}
	s := &site{url: "http://" + listener.Addr().String(), host: host, conns: map[net.Conn]bool{}}
	s.server = &http.Server{Handler: host, ReadHeaderTimeout: 10 * time.Second, ConnState: s.note}
	go func() { _ = s.server.Serve(listener) }() // until it is closed

	return s, nil
}

// note keeps account of connections.
func (s *site) note(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(s.conns, c)
	} else {
		s.conns[c] = true
	}
}

// cut ends all connections, in the middle of whatever they carry.
func (s *site) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close() // whoever is behind it comes back or does not
	}
}

func (s *site) close() {
	_ = s.host.Close() // says bye
	_ = s.server.Close()
}
