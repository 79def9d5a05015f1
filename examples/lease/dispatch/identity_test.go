package dispatch_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// authority makes certificates, as a company's own would.
type authority struct {
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	roots *x509.CertPool
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, roots: x509.NewCertPool()}
	if a.cert, err = x509.ParseCertificate(der); err == nil {
		a.roots.AddCert(a.cert)
	}

	return a, err
}

// issue makes a certificate of a server of this machine and a client at once.
func (a *authority) issue(template *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template.SerialNumber = big.NewInt(2)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)

	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// named is a certificate made out to a common name.
func (a *authority) named(name string) (tls.Certificate, error) {
	return a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}})
}

// trusting is a client that shows a certificate.
func (a *authority) trusting(shown ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.roots, Certificates: shown}}}
}

// Peers prove who they are by certificates, and workers may do what workers do.
func Example_mutualTLS() {
	ca, err := newAuthority()
	if err != nil {
		log.Fatal(err)
	}
	node, err := ca.named("node-a")
	if err != nil {
		log.Fatal(err)
	}
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	service, err := dispatch.New(dispatch.Options{
		Queue:         q,
		SettleByOwner: true,
		Authorize: dispatch.Certified(func(peer, procedure string) bool {
			switch procedure {
			case "drain", "restore":
				return peer == "operator"
			default:
				return peer == "operator" || strings.HasPrefix(peer, "worker-")
			}
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- dispatch.Serve(ctx, listener, service, dispatch.ServeOptions{TLS: &tls.Config{
			Certificates: []tls.Certificate{node}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.roots,
		}})
	}()

	shown, err := ca.named("worker-7")
	if err != nil {
		log.Fatal(err)
	}
	worker, err := dispatch.NewClient(dispatch.ClientOptions{
		Nodes: []string{"https://" + listener.Addr().String()}, HTTP: ca.trusting(shown),
	})
	if err != nil {
		log.Fatal(err)
	}
	events, err := q.Watch(0)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := worker.Enqueue(ctx, vm("i-1")); err != nil {
		log.Fatal(err)
	}
	l, err := worker.Lease(ctx, time.Second)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		e, err := events.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v, owner %q\n", e.Kind, e.OwnerPeer)
	}
	fmt.Println(l.Complete(ctx))
	_, err = worker.Drain(ctx, 0)
	fmt.Println(err)
	end()
	fmt.Println(<-served)

	// Output:
	// Enqueued, owner ""
	// LeaseGranted, owner "worker-7"
	// <nil>
	// worker-7 may not drain (error.resourcelease.forbidden, status 403)
	// <nil>
}

// TestCertified: names of certificates, and who has none.
func TestCertified(t *testing.T) {
	t.Parallel()
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	node, err := ca.named("node-a")
	if err != nil {
		t.Fatal(err)
	}
	q := open(t, leasequeue.Options{})
	s := service(t, dispatch.Options{Queue: q, Authorize: dispatch.Certified(nil)})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- dispatch.Serve(ctx, l, s, dispatch.ServeOptions{TLS: &tls.Config{
			Certificates: []tls.Certificate{node}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.roots,
		}})
	}()
	spiffe := &url.URL{Scheme: "spiffe", Host: "mesh", Path: "/worker/7"}
	for want, template := range map[string]*x509.Certificate{
		"worker-7":               {Subject: pkix.Name{CommonName: "worker-7"}},
		"w7.mesh":                {Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"w7.mesh", "y"}},
		"spiffe://mesh/worker/7": {DNSNames: []string{"y"}, URIs: []*url.URL{spiffe}},
	} {
		shown, err := ca.issue(template)
		if err != nil {
			t.Fatal(err)
		}
		enqueue(t, q, vm("i-1"))
		ask := func(claimed string) (*http.Response, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+l.Addr().String()+"/resourcelease/lease",
				strings.NewReader(`{"waitSeconds":0}`))
			if err != nil {
				return nil, err
			}
			r.Header.Set("Content-Type", "application/json")
			if claimed != "" {
				r.Header.Set(dispatch.PeerHeader, claimed)
			}

			return ca.trusting(shown).Do(r)
		}
		for claimed, status := range map[string]int{"": 200, "worker-8": 403} {
			res, err := ask(claimed)
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			_, err = text.ReadFrom(res.Body)
			if err = errors.Join(err, res.Body.Close()); err != nil || res.StatusCode != status {
				t.Errorf("%s, who claims %q: status %d, %v", want, claimed, res.StatusCode, err)
			}
			if status == 200 && !strings.Contains(text.String(), `"ownerPeerId":"`+want+`"`) {
				t.Errorf("%s leases as %s", want, text.String())
			}
		}
	}

	late, err := ca.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "worker-7"}, NotAfter: time.Now().Add(-time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.trusting(late).Get("https://" + l.Addr().String()); err == nil {
		t.Error("a certificate that has expired is accepted")
	}
	unknown, err := dispatch.NewClient(dispatch.ClientOptions{
		Nodes: []string{"https://" + l.Addr().String()}, Peer: "worker-7", HTTP: ca.trusting(),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = unknown.Stats(ctx)
	var e *dispatch.Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized || e.Code != dispatch.CodeUnauthenticated {
		t.Errorf("without a certificate: %v", err)
	}
	other, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	forged, err := other.named("worker-7")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.trusting(forged).Get("https://" + l.Addr().String()); err == nil {
		t.Error("a certificate of another authority is accepted")
	}
	end()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestNobody: who has no certificate, or does not say who they are, gets nothing
// but health, though permit only says who may not do what.
func TestNobody(t *testing.T) {
	t.Parallel()
	permit := func(peer, procedure string) bool { return peer == "operator" || procedure != "drain" }
	for name, authorize := range map[string]func(*http.Request, string, string) (string, error){
		"certified": dispatch.Certified(permit), "permitted": dispatch.Permitted(permit),
	} {
		q := open(t, leasequeue.Options{})
		url := serve(t, service(t, dispatch.Options{Queue: q, Authorize: authorize})) + "/resourcelease/"
		enqueue(t, q, vm("i-1"))
		for procedure, status := range map[string]int{
			"enqueue": 401, "lease": 401, "complete": 401, "restore": 401, "drain": 401, "stats": 401, "peers": 401, "health": 200,
		} {
			if a := post(t, url+procedure, `{}`); a.Status != status {
				t.Errorf("%s: %s by nobody: %+v", name, procedure, a.seen())
			}
		}
	}
}

// TestPermitted: who may do what, by header and by body, and where it is seen.
func TestPermitted(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	var logged bytes.Buffer
	url := serve(t, service(t, dispatch.Options{
		Queue: q,
		Authorize: dispatch.Permitted(func(peer, procedure string) bool {
			return peer == "worker-7" || procedure == "health"
		}),
		Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}

				return a
			},
		})),
	})) + "/resourcelease/"
	_, events := q.WatchNow()
	defer events.Close()
	enqueue(t, q, vm("i-1"))
	enqueue(t, q, vm("i-2"))

	for name, c := range map[string]struct {
		procedure, header, body string
		want                    answer
	}{
		"nobody":       {"stats", "", `{}`, answer{Status: 401, Code: dispatch.CodeUnauthenticated}},
		"lease":        {"lease", "", `{}`, answer{Status: 401, Code: dispatch.CodeUnauthenticated}},
		"somebody":     {"drain", "worker-8", `{}`, answer{Status: 403, Code: dispatch.CodeForbidden}},
		"by body":      {"lease", "", `{"peerId":"worker-8"}`, answer{Status: 403, Code: dispatch.CodeForbidden}},
		"two":          {"lease", "worker-7", `{"peerId":"worker-8"}`, answer{Status: 400, Code: dispatch.CodeRequestInvalid, Path: "peerId"}},
		"header":       {"lease", "worker-7", `{"waitSeconds":0}`, answer{Status: 200}},
		"body":         {"lease", "", `{"peerId":"worker-7","waitSeconds":0}`, answer{Status: 200}},
		"open to all":  {"health", "", `{}`, answer{Status: 200}},
		"another verb": {"complete", "", `{}`, answer{Status: 401, Code: dispatch.CodeUnauthenticated}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+c.procedure, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if c.header != "" {
			r.Header.Set(dispatch.PeerHeader, c.header)
		}
		if diff := cmp.Diff(c.want, do(t, r).seen(), cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for range 2 {
		if e := await(t.Context(), t, events, tq.LeaseGranted); e.OwnerPeer != "worker-7" {
			t.Errorf("the lease is of %q", e.OwnerPeer)
		}
	}
	want := `level=INFO msg="request refused" procedure=drain taskqueue.peer=worker-8 status=403 ` +
		`error.type=error.resourcelease.forbidden error="worker-8 may not drain"` + "\n"
	if !strings.Contains(logged.String(), want) {
		t.Errorf("the log lacks %q:\n%s", want, logged.String())
	}
	if strings.Contains(logged.String(), "secret") {
		t.Errorf("the log shows a payload:\n%s", logged.String())
	}
}

// TestSettleByOwner: nobody settles a lease of another peer's, nor prolongs it,
// also after a promotion; where it is not asked for everybody does.
func TestSettleByOwner(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	q := open(t, leasequeue.Options{})
	replica, err := leasequeue.NewReplica(leasequeue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := service(t, dispatch.Options{
		Queue: q, SettleByOwner: true,
		Authorize: dispatch.Permitted(func(peer, _ string) bool { return peer != "" }),
	})
	url := serve(t, s)
	as := func(peer string) *dispatch.Client {
		c, err := dispatch.NewClient(dispatch.ClientOptions{Nodes: []string{url}, Peer: peer})
		if err != nil {
			t.Fatal(err)
		}

		return c
	}
	owner, other := as("worker-7"), as("worker-8")
	for range 2 {
		enqueue(t, q, vm("i-1"))
	}
	l, err := owner.Lease(ctx, 0)
	if err != nil || l.Owner() != "worker-7" {
		t.Fatalf("the lease is of %q, %v", l.Owner(), err)
	}
	refused := func() {
		t.Helper()
		_, err := other.Heartbeat(ctx, l.Token)
		for verb, err := range map[string]error{
			"heartbeat": err, "complete": other.Complete(ctx, l.Token), "release": other.Release(ctx, l.Token),
			"fail": other.Fail(ctx, l.Token, errors.New("mine"), true), "give up": other.Fail(ctx, l.Token, nil, false),
		} {
			var e *dispatch.Error
			if !errors.As(err, &e) || e.Status != http.StatusForbidden || e.Code != dispatch.CodeForbidden {
				t.Errorf("%s of another peer's lease: %v", verb, err)
			}
		}
	}
	refused()
	if _, err := l.Heartbeat(ctx); err != nil {
		t.Error(err)
	}

	snapshot, events := q.WatchNow()
	defer events.Close()
	if err := replica.ApplySnapshot(&snapshot); err != nil {
		t.Fatal(err)
	}
	next, err := replica.Promote(ctx, leasequeue.Options{}, replication.Promotion{})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	s.Own(next, nil)
	refused()
	if err := l.Complete(ctx); err != nil {
		t.Error(err)
	}
	if err := other.Complete(ctx, l.Token); !errors.Is(err, tq.ErrLeaseLost) || l.Owner() != "" {
		t.Errorf("a lease that was settled: %v, of %q", err, l.Owner())
	}

	url = serve(t, service(t, dispatch.Options{Queue: next}))
	if l, err = as("worker-7").Lease(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if err := as("worker-8").Complete(ctx, l.Token); err != nil {
		t.Errorf("where everybody settles: %v", err)
	}
}

// TestAuthorizeHook: a hook of one's own, whose reasons are not shown.
func TestAuthorizeHook(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	url := serve(t, service(t, dispatch.Options{
		Queue: q,
		Authorize: func(r *http.Request, _, _ string) (string, error) {
			if r.Header.Get("Authorization") != "Bearer 1" {
				return "", errors.New("the token is of the year before")
			}

			return "worker-7", nil
		},
	}))
	a := post(t, url+"/resourcelease/stats", `{}`)
	if a.Status != http.StatusForbidden || a.Code != dispatch.CodeForbidden || strings.Contains(a.body, "year") {
		t.Errorf("without: %+v, %s", a.seen(), a.body)
	}
	c, err := dispatch.NewClient(dispatch.ClientOptions{Nodes: []string{url}, Authorize: func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer 1")
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Stats(t.Context()); err != nil {
		t.Errorf("with: %v", err)
	}
}
