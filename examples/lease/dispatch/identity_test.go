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
	template.NotAfter = time.Now().Add(time.Hour)
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
		Queue: q,
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
