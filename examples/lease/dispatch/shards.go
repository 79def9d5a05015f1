package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// ShardOf says which of the shards has the tasks of a partition key. Everybody
// who names the same shards, in whichever order, gets the same answer. Where a
// shard is added it takes keys from all others, and no other key moves. It is ""
// if there are no shards.
func ShardOf(partitionKey string, shards ...string) string {
	var best string
	var highest uint64
	for _, s := range shards {
		w := weight(s, partitionKey)
		if best == "" || w > highest || w == highest && s > best {
			best, highest = s, w
		}
	}

	return best
}

// weight is that of a shard for a key: FNV-1a of both, then mixed, since the
// last bytes of a key hardly reach the high bits otherwise.
func weight(shard, key string) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	for _, s := range [...]string{shard, "\x00", key} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb

	return h ^ h>>31
}

// Shards is an http.Handler of several services, one for each shard: its
// procedures are below namespace/shard. Each has its own queue, or the address
// of the node that has it, and what becomes of one is nothing to the others. GET
// of namespace/shards says which there are. Make one with NewShards.
type Shards struct {
	prefix   string // of paths
	names    []string
	services map[string]*Service
}

var shardNames = regexp.MustCompile(`^[\w.-]{1,64}$`)

// NewShards makes a service for each of the shards, of o but for the namespace.
// o has no Queue: that is for [Service.Own] of each. The error says which option
// or name is out of range.
func NewShards(o Options, names ...string) (*Shards, error) {
	if len(names) == 0 || o.Queue != nil {
		return nil, errors.New("dispatch: shards have names, and a queue each")
	}
	o = o.withDefaults()
	s := &Shards{prefix: "/" + o.Namespace + "/", names: slices.Clone(names), services: map[string]*Service{}}
	for _, name := range names {
		if !shardNames.MatchString(name) || s.services[name] != nil || name == "shards" {
			return nil, fmt.Errorf("dispatch: %q is no name of a shard, or is there twice", name)
		}
		its := o
		its.Namespace += "/" + name
		its.Logger = o.Logger.With("taskqueue.shard", name)
		one, err := New(its)
		if err != nil {
			return nil, err
		}
		s.services[name] = one
	}

	return s, nil
}

// Service is that of one shard; nil if there is none of that name.
func (s *Shards) Service(name string) *Service { return s.services[name] }

// Close closes all services.
func (s *Shards) Close() error {
	var errs []error
	for _, one := range s.services {
		errs = append(errs, one.Close())
	}

	return errors.Join(errs...)
}

// ServeHTTP implements http.Handler.
func (s *Shards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, _ := strings.CutPrefix(r.URL.Path, s.prefix)
	name, _, _ := strings.Cut(rest, "/")
	one := s.services[name]
	if one == nil {
		one = s.services[s.names[0]] // it says what is wrong with the request
	}
	if rest == "shards" {
		one.serve(w, r, "shards", s.list())
		return
	}
	one.ServeHTTP(w, r)
}

// list shows the shards, and where they are.
func (s *Shards) list() procedure {
	return procedure{reads: true, anywhere: true, serve: func(c *call) error {
		res := ShardList{Shards: make([]ShardHealth, 0, len(s.names))}
		for _, name := range s.names {
			one := s.services[name]
			res.Shards = append(res.Shards, ShardHealth{Shard: name, Health: one.health(one.role.Load())})
		}

		return c.answer(AppendShardListJSON(nil, &res))
	}}
}

// ShardedClient asks the services of several shards. Its methods are safe for
// concurrent use.
type ShardedClient struct {
	names   []string
	clients map[string]*Client
}

// NewShardedClient makes a client for each of the shards, of o but for the
// namespace. The error says which option is wrong.
func NewShardedClient(o ClientOptions, shards ...string) (*ShardedClient, error) {
	if len(shards) == 0 {
		return nil, errors.New("dispatch: a client of shards needs their names")
	}
	c := &ShardedClient{names: slices.Clone(shards), clients: map[string]*Client{}}
	for _, name := range shards {
		its := o
		its.Namespace = cmp.Or(o.Namespace, "resourcelease") + "/" + name
		one, err := NewClient(its)
		if err != nil {
			return nil, err
		}
		c.clients[name] = one
	}

	return c, nil
}

// Shard is the client of one shard; nil if there is none of that name.
func (c *ShardedClient) Shard(name string) *Client { return c.clients[name] }

// Enqueue has p leased out by the shard of its partition key.
func (c *ShardedClient) Enqueue(ctx context.Context, p lease.ResourceLease) (tq.TaskID, error) {
	return c.clients[ShardOf(p.PartitionKey, c.names...)].Enqueue(ctx, p)
}

// Run is [Run] for all shards, with o.Workers for each. One that refuses what no
// repetition mends does not end the others; its error is told to
// ClientOptions.Failed, with no pause, and is among those that Run returns.
func (c *ShardedClient) Run(
	ctx context.Context, o WorkOptions, handler func(context.Context, *leasequeue.Lease) error,
) error {
	errs := make([]error, len(c.names))
	var all sync.WaitGroup
	for i, name := range c.names {
		all.Go(func() {
			one := c.clients[name]
			if err := Run(ctx, one, o, handler); err != nil {
				errs[i] = fmt.Errorf("shard %s: %w", name, err)
				if one.o.Failed != nil {
					one.o.Failed(errs[i], 0)
				}
			}
		})
	}
	all.Wait()

	return errors.Join(errs...)
}
