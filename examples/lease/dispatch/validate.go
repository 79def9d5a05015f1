package dispatch

import (
	"errors"
	"strings"

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
