// Package diagnosticsgrpc shows a diagnostics host over gRPC: the stream of its
// events, which is the HTTP one in ids, order, resumption, gaps and bounds, and
// the standard health service, which asks the host.
//
//	err := diagnosticsgrpc.Register(server, host, diagnosticsgrpc.Options{})
//	health, err := diagnosticsgrpc.RegisterHealth(server, host)
//	…
//	defer health.Close()
//
// Payloads are never shown.
package diagnosticsgrpc
