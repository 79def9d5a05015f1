package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

// connection is where the host is, and how it is spoken to.
type connection struct {
	url        string
	headers    []string
	tokenFile  string
	ca         string
	cert, key  string
	serverName string
	insecure   bool
	timeout    time.Duration
	silence    time.Duration

	getenv func(string) string
}

const (
	streamPath = "/diagnostics/taskqueue"
	defaultURL = "http://localhost:8080"
)

func (c *connection) flags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&c.url, "url", "",
		"`address` of the service, of its diagnostics, or of the stream\n(default $TQCTL_URL or "+defaultURL+")")
	f.StringArrayVarP(&c.headers, "header", "H", nil, "`NAME:VALUE` to send; repeatable; $TQCTL_HEADERS has one a line")
	f.StringVar(&c.tokenFile, "token-file", "",
		"`file` with a bearer token, read for each request;\n$TQCTL_TOKEN is one itself")
	f.StringVar(&c.ca, "ca", "", "PEM `file` of authorities to trust instead of the system's")
	f.StringVar(&c.cert, "cert", "", "PEM `file` of the certificate to show")
	f.StringVar(&c.key, "key", "", "PEM `file` of its key")
	f.StringVar(&c.serverName, "server-name", "", "`name` to expect in the server's certificate")
	f.BoolVar(&c.insecure, "insecure-skip-verify", false, "accept any certificate, whoever shows it")
	f.DurationVar(&c.timeout, "timeout", 10*time.Second, "for one answer, or for a stream to begin")
}

// host is a diagnostics host, or another server with a stream.
type host struct {
	stream url.URL
	own    bool // the stream is where a diagnostics host has it, and the rest of it is there, too
	http   *http.Client
	header http.Header
	o      *connection
}

// open checks the flags. It connects to nobody.
func (c *connection) open() (*host, error) {
	address := c.url
	if address == "" {
		address = c.getenv("TQCTL_URL")
	}
	if address == "" {
		address = defaultURL
	}
	stream, own, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	if c.timeout <= 0 {
		return nil, fmt.Errorf("--timeout %v: it must be above zero", c.timeout)
	}
	header, err := c.header()
	if err != nil {
		return nil, err
	}
	if c.tokenFile != "" {
		if _, err := os.ReadFile(c.tokenFile); err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
	}
	security, err := c.tls()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: c.timeout, KeepAlive: 15 * time.Second}).DialContext
	transport.TLSHandshakeTimeout, transport.ResponseHeaderTimeout = c.timeout, c.timeout
	transport.TLSClientConfig = security

	asks := &http.Client{Transport: &bearer{transport, c.tokenFile}, CheckRedirect: stay}

	return &host{stream, own, asks, header, c}, nil
}

// parseURL says where the stream is, and whether that is where a diagnostics host
// has it.
func parseURL(address string) (stream url.URL, own bool, err error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return url.URL{}, false, fmt.Errorf("--url: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return url.URL{}, false, fmt.Errorf("--url %s: want http://HOST:PORT or https://HOST:PORT", u.Redacted())
	}
	u.Fragment, u.RawPath = "", ""
	u.Path = strings.TrimRight(u.Path, "/")
	switch {
	case u.Path == "":
		u.Path = streamPath
	case strings.HasSuffix(u.Path, "/diagnostics"):
		u.Path += "/taskqueue"
	case !strings.HasSuffix(u.Path, streamPath):
		return *u, false, nil
	}

	return *u, true, nil
}

// header is what each request has.
func (c *connection) header() (http.Header, error) {
	h := http.Header{"User-Agent": {"tqctl/" + version()}}
	if token := strings.TrimSpace(c.getenv("TQCTL_TOKEN")); token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	add := func(where, line string) error {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || strings.ContainsAny(name, " \t") || strings.ContainsAny(value, "\r\n\x00") {
			// The value may be a secret.
			return fmt.Errorf("%s: want NAME: VALUE in one line, got %q…", where, name)
		}
		h.Set(name, value)

		return nil
	}
	for line := range strings.Lines(c.getenv("TQCTL_HEADERS")) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := add("TQCTL_HEADERS", line); err != nil {
			return nil, err
		}
	}
	for _, line := range c.headers {
		if err := add("--header", line); err != nil {
			return nil, err
		}
	}

	return h, nil
}

func (c *connection) tls() (*tls.Config, error) {
	config := &tls.Config{ServerName: c.serverName, InsecureSkipVerify: c.insecure}
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca %s: there is no PEM certificate in it", c.ca)
		}
	}
	if (c.cert == "") != (c.key == "") {
		return nil, errors.New("--cert and --key go together")
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, fmt.Errorf("--cert %s, --key %s: %w", c.cert, c.key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}

	return config, nil
}

// bearer puts the token of a file into each request: it may change at any time.
type bearer struct {
	next http.RoundTripper
	file string
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.file == "" {
		return b.next.RoundTrip(r)
	}
	token, err := os.ReadFile(b.file)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))

	return b.next.RoundTrip(r)
}

// errRedirected stops at redirects: headers with secrets go where they were meant
// to go, and nowhere else.
var errRedirected = errors.New("redirected")

func stay(r *http.Request, _ []*http.Request) error {
	return fmt.Errorf("%w to %s", errRedirected, r.URL.Redacted())
}

func (h *host) name() string { return h.stream.Redacted() }

// client reads the stream: events of these types and queues, if the host can
// choose.
func (h *host) client(types, queues []string) *client.Client {
	u := h.stream
	if h.own {
		q := u.Query()
		q.Set("types", strings.Join(types, ","))
		if len(queues) > 0 {
			q.Set("queues", strings.Join(queues, ","))
		}
		u.RawQuery = q.Encode()
	}
	silence := h.o.silence
	if silence == 0 {
		silence = -1
	}

	return &client.Client{URL: u.String(), HTTP: h.http, Header: h.header, Silence: silence}
}

// maxAnswer bounds what is read of one answer.
const maxAnswer = 64 << 20

// get is the JSON at a path below the stream's.
func (h *host) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	if !h.own {
		return nil, &failure{
			fmt.Errorf("%s: this is a stream alone, without %s", h.name(), path),
			"give the address of the service, or what ends in /diagnostics, as --url",
		}
	}
	ctx, cancel := context.WithTimeout(ctx, h.o.timeout)
	defer cancel()
	u := h.stream
	u.Path += path
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header = h.header.Clone()
	r.Header.Set("Accept", "application/json")
	answer, err := h.http.Do(r)
	if err != nil {
		return nil, h.explain(u, err)
	}
	defer answer.Body.Close() //nolint:errcheck // nothing is written to it
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // as far as it comes
		return nil, h.explain(u, &client.StatusError{Status: answer.StatusCode, Body: string(text)})
	}
	if kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type")); kind != "application/json" {
		return nil, h.explain(u, fmt.Errorf("%w: it is %q", errNoJSON, kind))
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, h.explain(u, err)
	}
	if !json.Valid(text) {
		return nil, h.explain(u, fmt.Errorf("%w: it is damaged, or longer than %d MiB", errNoJSON, maxAnswer>>20))
	}

	return text, nil
}

var errNoJSON = errors.New("the answer is not JSON")

// explain says where an error was met and what can be done.
func (h *host) explain(u url.URL, err error) error {
	if already, ok := errors.AsType[*failure](err); ok {
		return already
	}
	if refused, ok := errors.AsType[*url.Error](err); ok {
		err = refused.Err // it names the address with its query
	}
	u.RawQuery = ""

	return &failure{fmt.Errorf("%s: %w", u.Redacted(), plain(err)), h.advice(err)}
}

// plain is a status with its name.
func plain(err error) error {
	status, ok := errors.AsType[*client.StatusError](err)
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the server has ended the stream")
	case !ok:
		return errors.New(strings.TrimPrefix(err.Error(), "client: "))
	}
	text := fmt.Sprintf("%d %s", status.Status, http.StatusText(status.Status))
	if body := strings.TrimSpace(status.Body); body != "" {
		first, _, _ := strings.Cut(body, "\n")
		text += ": " + first
	}

	return errors.New(text)
}

func (h *host) advice(err error) string {
	status, isStatus := errors.AsType[*client.StatusError](err)
	_, unknown := errors.AsType[*net.DNSError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	operation, dialled := errors.AsType[*net.OpError](err)
	network, isNetwork := errors.AsType[net.Error](err)
	switch {
	case isStatus && (status.Status == http.StatusUnauthorized || status.Status == http.StatusForbidden):
		return "say who you are: --token-file, --header, $TQCTL_TOKEN or --cert"
	case isStatus && status.Status == http.StatusNotFound:
		return "is a diagnostics host mounted there? --url may end in the path it has, such as /admin/diagnostics"
	case isStatus && status.Status == http.StatusServiceUnavailable:
		return "the host is closing, or has as many streams as it allows (Options.MaxSubscribers)"
	case errors.Is(err, client.ErrNoStream), errors.Is(err, errNoJSON):
		return "is a diagnostics host mounted there, or does something else answer? --url says where"
	case errors.Is(err, errRedirected):
		return "give that address as --url; redirects are not followed, so that no header goes astray"
	case unknown:
		return "is the name in --url right?"
	case untrusted:
		return "--ca names the authority that signed it, --server-name the name in it"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the server does not speak TLS there: try http://"
	case isNetwork && network.Timeout(): // a context's deadline is one, too
		return "the server takes longer than --timeout " + h.o.timeout.String()
	case dialled && operation.Op == "dial":
		return "does the service run, and listen there? --url says where"
	default:
		return ""
	}
}
