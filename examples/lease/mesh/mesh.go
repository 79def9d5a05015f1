package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/replication"
)

// nodeNames and workerNames are who there is. The first node owns the queue at
// the beginning.
var (
	nodeNames   = []string{"node-a", "node-b", "node-c"}
	workerNames = []string{"worker-1", "worker-2"}
)

// mesh is all its processes. Its methods are for one goroutine at a time, but
// for those that say otherwise.
type mesh struct {
	s       settings
	stderr  io.Writer
	hear    func(name, line string)
	gateway string // URL
	links   map[string]map[string]*link

	mu        sync.Mutex
	processes map[string]*process // by name; guarded by mu
}

// openMesh starts a mesh. hear is told what its processes say, by several
// goroutines. With links the nodes reach each other over a network that can be
// cut.
func openMesh(
	ctx context.Context, s settings, links bool, stderr io.Writer, hear func(name, line string),
) (m *mesh, err error) {
	m = &mesh{s: s, stderr: stderr, hear: hear, processes: map[string]*process{}, links: map[string]map[string]*link{}}
	m.s.nodes, m.s.peers = nodes{}, nodes{}
	defer func() {
		if err != nil {
			_ = m.close() // what went wrong first is what is told
		}
	}()
	if err := m.place(ctx, links); err != nil {
		return m, err
	}
	if err := m.start(ctx, "gateway", "gateway", "-listen", strings.TrimPrefix(m.gateway, "http://")); err != nil {
		return m, err
	}
	for i, name := range nodeNames {
		if err := m.startNode(ctx, name, i == 0); err != nil {
			return m, err
		}
	}
	for _, name := range workerNames {
		if err := m.startWorker(ctx, name); err != nil {
			return m, err
		}
	}

	return m, nil
}

// place says where everybody is.
func (m *mesh) place(ctx context.Context, links bool) error {
	gateway, err := reserve(ctx)
	if err != nil {
		return err
	}
	m.gateway = "http://" + gateway
	for _, name := range nodeNames {
		address, err := reserve(ctx)
		if err != nil {
			return err
		}
		m.s.nodes[name] = "http://" + address
	}
	if !links {
		return nil
	}
	for _, from := range nodeNames {
		m.links[from] = map[string]*link{}
		for _, to := range nodeNames {
			if from == to {
				continue
			}
			if m.links[from][to], err = openLink(strings.TrimPrefix(m.s.nodes[to], "http://")); err != nil {
				return err
			}
		}
	}

	return nil
}

// start starts a process and waits until it is ready.
func (m *mesh) start(ctx context.Context, role, name string, more ...string) error {
	p, err := start(ctx, name, m.stderr, func(line string) { m.hear(name, line) }, m.s.asChild(role, name, more...)...)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.processes[name] = p

	return nil
}

func (m *mesh) startNode(ctx context.Context, name string, first bool) error {
	more := []string{
		"-listen", strings.TrimPrefix(m.s.nodes[name], "http://"), "-nodes", m.s.nodes.String(),
		fmt.Sprint("-first=", first),
	}
	if links := m.links[name]; links != nil {
		peers := nodes{}
		for to, l := range links {
			peers[to] = l.url()
		}
		more = append(more, "-peers", peers.String())
	}

	return m.start(ctx, "node", name, more...)
}

func (m *mesh) startWorker(ctx context.Context, name string) error {
	return m.start(ctx, "worker", name, "-nodes", m.s.nodes.String(), "-gateway", m.gateway)
}

// process is the one of that name; nil if there is none.
func (m *mesh) process(name string) *process {
	m.mu.Lock()
	defer m.mu.Unlock()

	return m.processes[name]
}

// kill kills a process, and what it was sending is lost.
func (m *mesh) kill(name string) {
	if p := m.process(name); p != nil {
		m.cut(name, true)
		p.kill()
		m.forget(name)
		m.cut(name, false) // for the one that comes after it
	}
}

// stop ends a process in good order.
func (m *mesh) stop(name string) error {
	p := m.process(name)
	if p == nil {
		return nil
	}
	m.forget(name)

	return p.stop(stopWithin)
}

const stopWithin = time.Minute

func (m *mesh) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.processes, name)
}

// cut cuts a node off from the others, or lets it through again. It may be
// called from any goroutine.
func (m *mesh) cut(name string, off bool) {
	for from, links := range m.links {
		for to, l := range links {
			switch {
			case from != name && to != name:
			case off:
				l.sever()
			default:
				l.heal()
			}
		}
	}
}

// close ends the mesh in good order: workers, followers, the owner, the
// gateway. The error says who did not end so.
func (m *mesh) close() error {
	soon, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	owner, _ := m.owner(soon)
	order := slices.Clone(workerNames)
	for _, name := range nodeNames {
		if name != owner.Node {
			order = append(order, name)
		}
	}
	var errs []error
	for _, name := range append(order, owner.Node, "gateway") {
		errs = append(errs, m.stop(name))
	}
	for _, links := range m.links {
		for _, l := range links {
			l.close()
		}
	}

	return errors.Join(errs...)
}

// status is what a node says of itself. It may be called from any goroutine.
func (m *mesh) status(ctx context.Context, name string) (s status, err error) {
	return s, get(ctx, m.s.nodes[name]+pathStatus, &s)
}

// owner is the node that owns the queue, as far as the nodes say. It may be
// called from any goroutine.
func (m *mesh) owner(ctx context.Context) (owner status, err error) {
	for _, name := range nodeNames {
		s, err := m.status(ctx, name)
		if err == nil && s.Role == "owner" && s.Term > owner.Term {
			owner = s
		}
	}
	if owner.Node == "" {
		return owner, errors.New("no node owns the queue")
	}

	return owner, nil
}

// settled waits until a node owns the queue, in a term after the one given, and
// the others that run follow it.
func (m *mesh) settled(ctx context.Context, after uint64) (owner status, err error) {
	err = until(ctx, "a node owns the queue and the others follow it", func() bool {
		if owner, err = m.owner(ctx); err != nil || owner.Term <= after {
			return false
		}
		for _, name := range nodeNames {
			if name == owner.Node || m.process(name) == nil {
				continue
			}
			if s, err := m.status(ctx, name); err != nil || s.Owner != owner.Node || s.Term != owner.Term {
				return false
			}
		}

		return true
	})

	return owner, err
}

// claims are the terms there were.
func (m *mesh) claims(ctx context.Context) (all []replication.Claim, err error) {
	store, err := effect.OpenFiles(filepath.Join(m.s.state, "terms"))
	if err != nil {
		return nil, err
	}
	terms := &replication.Terms{Store: store, Queue: queueName}
	for term := uint64(1); ; term++ {
		c, found, err := terms.Get(ctx, term)
		if err != nil || !found {
			return all, err
		}
		all = append(all, c)
	}
}

// withState gives the settings a folder, if they have none, and what removes it.
func (s settings) withState() (settings, func(), error) {
	if s.state != "" {
		return s, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "mesh-")
	s.state = dir

	return s, func() { _ = os.RemoveAll(dir) }, err // it is a temporary one
}

// runMesh runs a mesh until ctx ends, or for as long as it is to.
func runMesh(ctx context.Context, s settings, out *said, stderr io.Writer) (err error) {
	s, remove, err := s.withState()
	if err != nil {
		return err
	}
	defer remove()
	m, err := openMesh(ctx, s, false, stderr, func(string, string) {})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	soon, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if _, err := m.settled(soon, 0); err != nil {
		return err
	}
	out.print("%s", m.directory())
	if s.duration > 0 {
		_ = pause(ctx, s.duration)
	} else {
		<-ctx.Done()
	}
	out.print("ending\n")

	return nil
}

// print prints what people read.
func (s *said) print(format string, args ...any) { fmt.Fprintf(s, format, args...) }

const procedures = "{enqueue,lease,complete,heartbeat,fail,release,drain,restore,stats,health,peers}"

// directory is where everything is.
func (m *mesh) directory() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m.s.nodes)) {
		url := m.s.nodes[name]
		fmt.Fprintf(&b, "%s\n  procedures  %s%s%s\n", name, url, pathCalls, procedures)
		fmt.Fprintf(&b, "  page        %s/diagnostics/\n  stream      %s/diagnostics/taskqueue\n", url, url)
		fmt.Fprintf(&b, "  metrics     %s%s\n  status      %s%s\n", url, pathMetrics, url, pathStatus)
	}
	fmt.Fprintf(&b, "gateway\n  mails       %s/mails\n", m.gateway)
	fmt.Fprintf(&b, "send tasks: go run ./examples/lease/cmd/mesh -role load -nodes %s\n", m.s.nodes)

	return b.String()
}

// runHealth asks a URL whether all is well: images without a shell ask so.
func runHealth(ctx context.Context, s settings, _ *said, _ io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close() // the status is what counts
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}

	return nil
}
