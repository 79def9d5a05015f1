package dispatch

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tqgen/tqgen/examples/lease"
)

// validate says why a payload is not accepted. path is where it stands.
func (s *Service) validate(p *lease.ResourceLease, path string) error {
	if p == nil {
		return invalid(CodePayloadRequired, path, "payload is required")
	}
	for _, f := range [...]struct{ value, name, code string }{
		{p.ResourceType, "resourceType", CodeResourceTypeRequired},
		{p.ResourceID, "resourceId", CodeResourceIDRequired},
		{p.PartitionKey, "partitionKey", CodePartitionKeyRequired},
		{p.PayloadEncoding, "payloadEncoding", CodeEncodingRequired},
	} {
		if strings.TrimSpace(f.value) == "" {
			return invalid(f.code, path+"."+f.name, f.name+" is required")
		}
	}
	if s.o.Validate == nil {
		return nil
	}
	err := s.o.Validate(p)
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}

	return invalid(CodePayloadInvalid, path, err.Error())
}

// PeerHeader is where [Claimed] looks for who asks.
const PeerHeader = "Rpc-Caller"

// Claimed takes the word of whoever asks: the peer is what the header
// Rpc-Caller says, or else the peerId of the request. It is for networks on
// which everybody is trusted.
func Claimed(r *http.Request, _ string) (peer string, err error) {
	return r.Header.Get(PeerHeader), nil
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
