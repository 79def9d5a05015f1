package dispatch

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PeerHeader is where a request may say who asks.
const PeerHeader = "Rpc-Caller"

// Claimed is an Options.Authorize that takes the word of whoever asks, and lets
// everybody do everything. It is for networks on which all are trusted.
func Claimed(_ *http.Request, _, claimed string) (peer string, err error) { return claimed, nil }

// Permitted makes an Options.Authorize that takes the word of whoever asks, and
// refuses who does not say it with 401, and who permit does not let with 403.
// Of who does not say it permit is asked for health and shards alone, with "".
func Permitted(permit func(peer, procedure string) bool) func(*http.Request, string, string) (string, error) {
	return func(_ *http.Request, procedure, claimed string) (string, error) {
		return permitted(permit, claimed, procedure)
	}
}

// Certified makes an Options.Authorize that takes the word of client
// certificates that the server has verified. Their first URI, else their first
// DNS name, else their common name is who asks. It refuses who has none with
// 401, and who permit does not let with 403; a nil permit lets all. Of who has
// none permit is asked for health and shards alone, with "".
//
// The server's TLS configuration verifies certificates: ClientAuth is
// tls.RequireAndVerifyClientCert, or tls.VerifyClientCertIfGiven where others
// may ask for something, such as health, too.
func Certified(permit func(peer, procedure string) bool) func(*http.Request, string, string) (string, error) {
	return func(r *http.Request, procedure, _ string) (string, error) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			return permitted(permit, "", procedure)
		}

		return permitted(permit, nameOf(r.TLS.VerifiedChains[0][0]), procedure)
	}
}

func nameOf(c *x509.Certificate) string {
	switch {
	case len(c.URIs) > 0:
		return c.URIs[0].String()
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	default:
		return c.Subject.CommonName
	}
}

func permitted(permit func(peer, procedure string) bool, peer, procedure string) (string, error) {
	open := procedure == "health" || procedure == "shards"
	switch {
	case permit != nil && (peer != "" || open) && permit(peer, procedure):
		return peer, nil
	case peer == "":
		return "", &Error{
			Status: http.StatusUnauthorized, Code: CodeUnauthenticated, Message: "who asks is not known",
		}
	case permit == nil:
		return peer, nil
	default:
		return peer, &Error{
			Status: http.StatusForbidden, Code: CodeForbidden, Message: peer + " may not " + procedure,
		}
	}
}

// authorize finds out who asks, and whether they may.
func (c *call) authorize(claimed string) error {
	if err := checkPeer(claimed); err != nil {
		return err
	}
	peer, err := c.s.o.Authorize(c.r, c.procedure, claimed)
	c.peer = peer
	switch {
	case err != nil:
		return forbidden(err)
	case claimed != "" && peer != claimed:
		return &Error{Status: http.StatusForbidden, Code: CodeForbidden, Message: "you are not who you say you are"}
	}

	return checkPeer(peer)
}

// maxPeer bounds names of peers, which stand in events, logs and metrics.
const maxPeer = 128

func checkPeer(peer string) error {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(peer) > maxPeer || !utf8.ValidString(peer) || strings.ContainsFunc(peer, odd) {
		return &Error{
			Status: http.StatusBadRequest, Code: CodeRequestInvalid, Path: "peerId",
			Message: fmt.Sprintf("the name of a peer has at most %d bytes, all of them printable", maxPeer),
		}
	}

	return nil
}
