package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// servePage serves the diagnostics page until close is called, if there is an
// address for it, and prints where.
func (d *demo) servePage() (closePage func(), err error) {
	if d.page == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", d.page)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	host, err := diagnostics.New(diagnostics.Options{})
	if err != nil {
		_ = listener.Close() // nobody has come yet
		return nil, err
	}
	d.host = host
	server := &http.Server{Handler: host, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // until it is closed
	fmt.Fprintf(d.out, "page: http://%s/diagnostics/\n", listener.Addr())

	return func() {
		_ = host.Close() // says bye
		for _, m := range d.monitors {
			_ = m.Close()
		}
		_ = server.Close() // whoever is still there
	}, nil
}

// show has the page show q and its backpressure, if there is a page.
func (d *demo) show(q *leasequeue.Local) error {
	if d.host == nil {
		return nil
	}
	m, err := backpressure.New(q, backpressure.Options{})
	if err != nil {
		return err
	}
	d.monitors = append(d.monitors, m)
	if err := d.host.AttachMonitor(m); err != nil {
		return err
	}

	return d.host.AttachQueue(q)
}
