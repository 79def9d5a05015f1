package main

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// latency is how long what the owner sends is under way.
const latency = 2 * time.Millisecond

// network is what lies between follower and owner. Once it is cut, what was under
// way is lost.
type network struct {
	listener net.Listener
	owner    string // address

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
	over  bool       // guarded by mu
}

func openNetwork(ctx context.Context, owner string) (*network, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &network{listener: listener, owner: owner}
	go n.serve(ctx)

	return n, nil
}

// address is where the follower finds the owner.
func (n *network) address() string { return n.listener.Addr().String() }

// cut ends all connections, and there are no new ones.
func (n *network) cut() {
	_ = n.listener.Close() // whoever dials is turned away
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over = true
	for _, c := range n.conns {
		_ = c.Close() // it may be closed
	}
}

// keep has a connection end with the network, and says whether it has not ended.
func (n *network) keep(c net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = append(n.conns, c)

	return !n.over
}

func (n *network) serve(ctx context.Context) {
	for {
		follower, err := n.listener.Accept()
		if err != nil {
			return
		}
		go n.connect(ctx, follower)
	}
}

// connect joins one connection of the follower with one of the owner's.
func (n *network) connect(ctx context.Context, follower net.Conn) {
	defer func() { _ = follower.Close() }() // it may be closed
	owner, err := new(net.Dialer).DialContext(ctx, "tcp", n.owner)
	if err != nil {
		return
	}
	defer func() { _ = owner.Close() }() // it may be closed
	if !n.keep(follower) || !n.keep(owner) {
		return
	}
	go func() {
		_, _ = io.Copy(owner, follower)
		_ = owner.Close() // the follower has gone
	}()
	delay(follower, owner)
}

// parcel is what was sent at once.
type parcel struct {
	text []byte
	due  time.Time
}

// delay copies what is sent, each piece after its latency.
func delay(to io.Writer, from io.Reader) {
	way := make(chan parcel, 1024)
	go func() {
		defer close(way)
		for {
			buf := make([]byte, 16<<10)
			k, err := from.Read(buf)
			if err != nil {
				return
			}
			way <- parcel{buf[:k], time.Now().Add(latency)}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.due))
		_, _ = to.Write(p.text) // nobody may be there any more
	}
}
