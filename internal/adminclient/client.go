package adminclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"time"
)

// The bounds of a call.
const (
	maxResponse    = 256 << 20 // a listing of modules is large
	maxRedirects   = 10
	dialTimeout    = 10 * time.Second
	headerTimeout  = 2 * time.Minute
	idleConnection = 30 * time.Second
)

// Options say where the server is and how to talk to it.
type Options struct {
	// Address is a URL or unix//path; see [DefaultAddress]. Without a path it gets /dgate.
	Address string
	// Original is for an original DGate: its API is not below /dgate, and it does not show what it is.
	Original bool
	// User and Password are sent with basic authentication, unless User is empty. They win over
	// those in the address.
	User, Password string
	// Token is sent as a bearer token, unless it is empty. It wins over User.
	Token string
	// Follow follows redirects, with the credentials only as long as they lead to the same host.
	Follow bool
	// Version is part of the User-Agent.
	Version string
	// Trace, if set, is called with every exchange, redirects included.
	Trace func(Exchange)
}

// Exchange is one request and its answer.
type Exchange struct {
	Proto, Method, URL, Status string
	Took                       time.Duration
}

// Client sends requests to one server.
type Client struct {
	options Options
	address address
	http    *http.Client
}

// New makes a client. It does not connect yet.
func New(options Options) (*Client, error) {
	path := defaultPath
	if options.Original {
		path = ""
	}
	addr, err := parseAddress(options.Address, path)
	if err != nil {
		return nil, err
	}
	if options.User == "" && addr.user != nil {
		options.User = addr.user.Username()
		options.Password, _ = addr.user.Password()
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       idleConnection,
	}
	if addr.socket != "" {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", addr.socket)
		}
	}
	return &Client{options: options, address: addr, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call is one request of the admin API.
type Call struct {
	Method string
	// Path are the segments after /dgate, not escaped.
	Path  []string
	Query url.Values
	// Body is JSON, or nil.
	Body []byte
	// Header has preconditions and the like.
	Header http.Header
}

// Answer is a successful response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// indexHeader is in every answer of DGate, whatever its status.
const indexHeader = "X-DGate-Index"

// Do sends a request and reads the answer. A status of 400 and up is an [*Error]. What something
// else than DGate answers is no success, whatever its status.
func (c *Client) Do(ctx context.Context, call Call) (*Answer, error) {
	target, err := url.Parse(c.address.url(call.Path, call.Query))
	if err != nil {
		return nil, fmt.Errorf("admin address: %w", err)
	}
	trusted := target
	for range maxRedirects {
		answer, next, err := c.once(ctx, call, target, sameOrigin(trusted, target))
		if err != nil || next == nil {
			return answer, err
		}
		target = next
	}
	return nil, fmt.Errorf("stopped after %d redirects", maxRedirects)
}

// once sends a request to one address. next is where the server redirects to.
func (c *Client) once(ctx context.Context, call Call, target *url.URL, credentials bool) (answer *Answer, next *url.URL, err error) {
	req, err := c.request(ctx, call, target, bytes.NewReader(call.Body), credentials)
	if err != nil {
		return nil, nil, err
	}
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, c.withHint(err)
	}
	defer resp.Body.Close()
	if c.options.Trace != nil {
		c.options.Trace(Exchange{Proto: resp.Proto, Method: call.Method, URL: target.String(), Status: resp.Status, Took: time.Since(start)})
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified {
		next, err = c.redirect(call.Method, target, resp)
		return nil, next, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	case len(body) > maxResponse:
		return nil, nil, fmt.Errorf("the answer is larger than %d MiB", maxResponse>>20)
	case resp.StatusCode >= 400:
		refused := errorFrom(resp.StatusCode, resp.Header.Get("Content-Type"), body)
		if resp.Header.Get(indexHeader) == "" && !c.options.Original {
			refused.foreign(target)
		}
		return nil, nil, refused
	case resp.Header.Get(indexHeader) == "" && !c.options.Original:
		return nil, nil, errors.New(notOurs(target))
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil, nil
}

// request makes a request, with what every request has.
func (c *Client) request(ctx context.Context, call Call, target *url.URL, body io.Reader, credentials bool) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, call.Method, target.String(), body)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, call.Header)
	req.Header.Set("User-Agent", fmt.Sprintf("DGate CLI %s;os=%s;arch=%s", c.options.Version, runtime.GOOS, runtime.GOARCH))
	switch {
	case !credentials:
	case c.options.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.options.Token)
	case c.options.User != "":
		req.SetBasicAuth(c.options.User, c.options.Password)
	}
	return req, nil
}

// redirect decides whether to go where the answer points.
func (c *Client) redirect(method string, from *url.URL, resp *http.Response) (*url.URL, error) {
	if !c.options.Follow {
		return nil, ErrRedirect
	}
	to, err := from.Parse(resp.Header.Get("Location"))
	switch {
	case err != nil || resp.Header.Get("Location") == "" || (to.Scheme != "http" && to.Scheme != "https"):
		return nil, &Error{Status: resp.StatusCode, Message: "it redirects to an address that cannot be followed"}
	case method != http.MethodGet && resp.StatusCode != http.StatusTemporaryRedirect && resp.StatusCode != http.StatusPermanentRedirect:
		// These would turn a write into a read, and look like success.
		return nil, &Error{Status: resp.StatusCode, Message: "a " + method + " is only redirected by 307 and 308"}
	case c.address.socket != "" && !sameOrigin(from, to):
		return nil, &Error{Status: resp.StatusCode, Message: "a socket cannot be left by a redirect, to " + printable(to.String())}
	}
	return to, nil
}

// sameOrigin tells whether credentials for a may be shown to b.
func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// withHint says what to do where the text of the transport does not.
func (c *Client) withHint(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" && !c.options.Original {
		return fmt.Errorf("%w (is Caddy running? --admin or DGATE_ADMIN_API name its admin address)", err)
	}
	return err
}
