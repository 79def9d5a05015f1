package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// authority signs certificates for a test.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(raw)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)

	return &authority{key, cert, pool}
}

func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	must(t, err)

	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// TestMutualTLS: the certificate of a follower is what Authorize goes by; without
// one of the right authority, on either side, nothing is said.
func TestMutualTLS(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		ours, theirs := newAuthority(t), newAuthority(t)
		s := newShelf("1")
		s.doc = "{}"
		with := serve(s, bounds{
			tls: &tls.Config{
				Certificates: []tls.Certificate{ours.issue(t, "owner")},
				ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ours.pool,
			},
			authorize: func(_, certificate string) error {
				if certificate != "follower" {
					return errors.New("no")
				}

				return nil
			},
		})
		for _, c := range []struct {
			name   string
			roots  *x509.CertPool
			have   []tls.Certificate
			let    bool
			refuse bool // for good
		}{
			{"a follower", ours.pool, []tls.Certificate{ours.issue(t, "follower")}, true, false},
			{"somebody else", ours.pool, []tls.Certificate{ours.issue(t, "cook")}, false, true},
			{"one of another authority", ours.pool, []tls.Certificate{theirs.issue(t, "follower")}, false, false},
			{"one without a certificate", ours.pool, nil, false, false},
			{"one who does not know the owner", theirs.pool, []tls.Certificate{ours.issue(t, "follower")}, false, false},
		} {
			client := with.client(t, asking{tls: &tls.Config{RootCAs: c.roots, Certificates: c.have, ServerName: "localhost"}})
			got, err := collect(t, client, tq.Position{}, "1")
			doc, err2 := client.Snapshot(t.Context())
			if let := err == nil && err2 == nil && len(got) == 1 && string(doc) == "{}"; let != c.let {
				t.Errorf("%s gets %q, %v and %q, %v", c.name, got, err, doc, err2)
			}
			if !c.let && (len(got) > 0 || len(doc) > 0 || c.refuse == errors.Is(err, replication.ErrUnavailable)) {
				t.Errorf("%s gets %q, %v and %q, %v", c.name, got, err, doc, err2)
			}
		}
	})
}
