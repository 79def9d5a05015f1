// Command mesh runs a small mesh of the lease service on loopback, and drills
// it.
//
// A mesh is an owner of the queue, two followers that replicate it, workers, and
// a gateway for the mails they send: a process each, all of this program. Every
// node serves the procedures of package dispatch, the stream and the page of its
// diagnostics, and metrics for Prometheus. When the owner dies the followers
// elect the one that knows most.
//
// Without -role it starts the mesh, prints where everything is, and ends it in
// good order after -for, or when it is interrupted. With -role drill it breaks
// the mesh in eight ways, each time a new one, and accounts for what the mesh has
// promised; status 1 says that a promise was broken. With -role load it sends
// tasks to a mesh that runs, and with -role compare it does that to a mesh for
// each way of holding clients back. docs/mesh.md says what to see there.
//
// Status 2 is a failure of anything else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressurehttp"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/tq"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// settings are the flags.
type settings struct {
	role    string // "" is the one who starts the others
	name    string
	listen  string
	state   string
	peers   nodes // of a node: the others
	nodes   nodes // of a worker, or a load: all of them
	gateway string
	url     string
	first   bool

	synchronous bool
	ingress     string
	telemetry   bool
	journal     bool
	verbose     bool

	capacity int
	lease    time.Duration
	backoff  time.Duration
	attempts int
	ring     int
	interval time.Duration
	buffer   int

	workers  int
	takes    time.Duration
	clients  int
	rounds   int
	duration time.Duration
	seed     uint64
	only     string
}

// What clients are held back by while the queue has too much to do.
const (
	ingressOff    = "off"    // by the queue alone, once it is full
	ingressWait   = "wait"   // their requests wait
	ingressRefuse = "refuse" // they are told to come back later
)

// policy is that of the queue, on all nodes.
func (s settings) policy() leasequeue.Options {
	return leasequeue.Options{
		Capacity: s.capacity, Lease: s.lease, Attempts: s.attempts, Backoff: tq.ConstBackoff(s.backoff),
		Cooldown: 100 * time.Millisecond,
	}
}

func (s settings) diagnostics() diagnostics.Options {
	return diagnostics.Options{Ring: s.ring, Interval: s.interval}
}

// dispatch holds clients back as -ingress says.
func (s settings) dispatch() dispatch.Options {
	o := dispatch.Options{MaxWait: 10 * time.Second}
	if s.ingress == ingressRefuse {
		o.Ingress.Decide = func(*http.Request) backpressurehttp.Action { return backpressurehttp.Refuse }
	}

	return o
}

func (s settings) level() slog.Level {
	if s.verbose {
		return slog.LevelDebug
	}

	return slog.LevelWarn
}

// asChild are the arguments of another process of the same mesh.
func (s settings) asChild(role, name string, more ...string) []string {
	return append([]string{
		"-role", role, "-name", name, "-state", s.state, "-ingress", s.ingress,
		fmt.Sprint("-sync=", s.synchronous), fmt.Sprint("-telemetry=", s.telemetry), fmt.Sprint("-journal=", s.journal),
		fmt.Sprint("-verbose=", s.verbose), fmt.Sprint("-capacity=", s.capacity), fmt.Sprint("-lease=", s.lease),
		fmt.Sprint("-backoff=", s.backoff), fmt.Sprint("-attempts=", s.attempts), fmt.Sprint("-ring=", s.ring),
		fmt.Sprint("-interval=", s.interval), fmt.Sprint("-buffer=", s.buffer), fmt.Sprint("-workers=", s.workers),
		fmt.Sprint("-takes=", s.takes), fmt.Sprint("-seed=", s.seed),
	}, more...)
}

// nodes are URLs by name.
type nodes map[string]string

// String implements flag.Value.
func (n nodes) String() string {
	var all []string
	for name, url := range n {
		all = append(all, name+"="+url)
	}
	slices.Sort(all)

	return strings.Join(all, ",")
}

// Set implements flag.Value.
func (n nodes) Set(text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		name, url, ok := strings.Cut(pair, "=")
		if !ok || name == "" || !strings.HasPrefix(url, "http://") {
			return fmt.Errorf("%q is not name=http://address", pair)
		}
		n[name] = strings.TrimSuffix(url, "/")
	}

	return nil
}

// run is main without the process round it.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if os.Getenv(childVariable) != "" {
		signal.Ignore(os.Interrupt) // it is for the one who has started this process
		signals = signals[1:]
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	ctx, release := leashed(ctx)
	defer release()
	err = roles()[s.role].run(ctx, s, &said{w: stdout}, &said{w: stderr})
	switch {
	case errors.Is(err, errBroken):
		return 1
	case err != nil && (ctx.Err() == nil || !errors.Is(err, context.Cause(ctx))):
		fmt.Fprintf(stderr, "mesh: %s: %v\n", roles()[s.role].name(s), err)

		return 2
	}

	return 0
}

func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{peers: nodes{}, nodes: nodes{}}
	flags := flag.NewFlagSet("mesh", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&s.duration, "for", 0, "`time` to run; 0 is until it is interrupted, for a load 5s")
	flags.StringVar(&s.ingress, "ingress", ingressWait,
		"`how` clients are held back while there is too much to do: wait, refuse, off")
	flags.BoolVar(&s.synchronous, "sync", true,
		"have operations wait for a follower: then nothing acknowledged is lost with the owner")
	flags.BoolVar(&s.telemetry, "telemetry", true, "measure, and show it to Prometheus at "+pathMetrics)
	flags.StringVar(&s.only, "only", "", "drill: `words` of the scenarios to play, with commas")
	flags.Uint64Var(&s.seed, "seed", 1, "drill: `number` that decides when things happen, and to whom")
	flags.IntVar(&s.clients, "clients", 32, "load: `number` of clients at a time")
	flags.IntVar(&s.rounds, "rounds", 3, "compare: `number` of meshes of each kind")
	flags.IntVar(&s.workers, "workers", 4, "`number` of tasks that a worker process works on at a time")
	flags.DurationVar(&s.takes, "takes", 2*time.Millisecond, "`time` a task takes on average")
	flags.IntVar(&s.capacity, "capacity", 1024, "`number` of live tasks")
	flags.DurationVar(&s.lease, "lease", 5*time.Second, "`time` a lease holds without a heartbeat")
	flags.DurationVar(&s.backoff, "backoff", 50*time.Millisecond, "`time` before a task that has failed comes again")
	flags.IntVar(&s.attempts, "attempts", 5, "`number` of attempts before a task is dead")
	flags.IntVar(&s.ring, "ring", 4096, "`number` of diagnostics events that are kept")
	flags.DurationVar(&s.interval, "interval", time.Second, "`time` between two statistics of the stream")
	flags.IntVar(&s.buffer, "buffer", 0, "`bytes` that a node's connections buffer; 0 is the system's choice")
	flags.BoolVar(&s.journal, "journal", false, "tell of every event on standard output, as the drill's ledger needs it")
	flags.BoolVar(&s.verbose, "verbose", false, "tell on standard error what nodes decide")
	flags.StringVar(&s.role, "role", "",
		"`what` to be: drill, load, compare, node, worker, gateway, health; by default, the one who starts a mesh")
	flags.StringVar(&s.name, "name", "", "`name` of a node or worker")
	flags.StringVar(&s.listen, "listen", "", "`address` of a node or gateway")
	flags.StringVar(&s.state, "state", "", "`folder` that all processes share; by default one that is removed at the end")
	flags.Var(s.nodes, "nodes", "`name=URL,…` of all nodes, as clients reach them")
	flags.Var(s.peers, "peers", "`name=URL,…` of the other nodes, as this node reaches them; by default -nodes")
	flags.StringVar(&s.gateway, "gateway", "", "`URL` of the gateway, for a worker")
	flags.StringVar(&s.url, "url", "", "`URL` to look at, for health")
	flags.BoolVar(&s.first, "first", false, "begin an empty queue if nobody ever has, on one node")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, misuse(stderr, "unexpected argument %q", flags.Arg(0))
	}
	if len(s.peers) == 0 {
		for name, url := range s.nodes {
			if name != s.name {
				s.peers[name] = url
			}
		}
	}

	return s, s.check(flags, stderr)
}

// check says what is wrong with the flags.
func (s settings) check(flags *flag.FlagSet, stderr io.Writer) error {
	r, known := roles()[s.role]
	if !known {
		return misuse(stderr, "-role %q is none", s.role)
	}
	for _, name := range r.needs {
		if flags.Lookup(name).Value.String() == "" {
			return misuse(stderr, "-role %s needs -%s", s.role, name)
		}
	}
	switch {
	case !slices.Contains([]string{ingressOff, ingressWait, ingressRefuse}, s.ingress):
		return misuse(stderr, "-ingress %q is not wait, refuse or off", s.ingress)
	case s.clients < 1 || s.clients > 10000:
		return misuse(stderr, "-clients %d is not in 1…10000", s.clients)
	case s.rounds < 1 || s.workers < 1 || s.takes < 0 || s.duration < 0:
		return misuse(stderr, "-workers and -rounds are at least 1, -takes and -for are not negative")
	}

	return nil
}

func misuse(stderr io.Writer, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	fmt.Fprintln(stderr, "mesh:", err)

	return err
}

// errBroken is a promise that was broken, which has been told.
var errBroken = errors.New("a promise was broken")

// role is what a process can be.
type role struct {
	run   func(context.Context, settings, *said, io.Writer) error
	needs []string // flags
}

func (r role) name(s settings) string {
	if s.name != "" {
		return s.name
	}

	return s.role
}

// roles by -role.
func roles() map[string]role {
	return map[string]role{
		"":     {run: runMesh},
		"node": {run: runNode, needs: []string{"name", "listen", "state"}},
		"worker": {
			run:   func(ctx context.Context, s settings, out *said, _ io.Writer) error { return runWorker(ctx, s, out) },
			needs: []string{"name", "state", "nodes", "gateway"},
		},
		"gateway": {
			run:   func(ctx context.Context, s settings, out *said, _ io.Writer) error { return runGateway(ctx, s, out) },
			needs: []string{"listen"},
		},
		"load":    {run: runLoad, needs: []string{"nodes"}},
		"compare": {run: runCompare},
		"drill":   {run: runDrill},
		"health":  {run: runHealth, needs: []string{"url"}},
	}
}
