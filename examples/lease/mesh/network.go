package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
)

// link is the network from one node to another: what goes over it can be cut
// off and let through again. Its methods are safe for concurrent use.
type link struct {
	listener net.Listener
	to       string // address

	mu    sync.Mutex
	cut   bool                  // guarded by mu
	conns map[net.Conn]struct{} // guarded by mu
}

// openLink opens a link to an address. Close ends it.
func openLink(to string) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{listener: listener, to: to, conns: map[net.Conn]struct{}{}}
	go l.serve()

	return l, nil
}

// url is where the link begins.
func (l *link) url() string { return "http://" + l.listener.Addr().String() }

// sever cuts the link: what was under way is lost, and nobody gets through.
func (l *link) sever() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for c := range l.conns {
		_ = c.Close() // it may be closed
	}
	clear(l.conns)
}

// heal lets connections through again.
func (l *link) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

// close ends the link.
func (l *link) close() {
	_ = l.listener.Close()
	l.sever()
}

func (l *link) serve() {
	for {
		c, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.connect(c)
	}
}

// connect joins one connection to the link with one to where it leads.
func (l *link) connect(from net.Conn) {
	defer l.drop(from)
	if !l.keep(from) {
		return
	}
	to, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer l.drop(to)
	if !l.keep(to) {
		return
	}
	go func() {
		_, _ = io.Copy(to, from)
		l.drop(to)
	}()
	_, _ = io.Copy(from, to)
}

// keep has a connection end when the link is cut, and says whether it is not.
func (l *link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return false
	}
	l.conns[c] = struct{}{}

	return true
}

func (l *link) drop(c net.Conn) {
	_ = c.Close() // it may be closed
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// Ports for nodes are below those that systems give to outgoing connections, so
// that a node that is begun anew finds its own free.
const firstPort, lastPort = 20000, 30000

// reserve finds an address on loopback where nobody listens.
func reserve(ctx context.Context) (string, error) {
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil {
			return address, l.Close()
		}
	}

	return "", fmt.Errorf("no free port from %d to %d", firstPort, lastPort)
}
