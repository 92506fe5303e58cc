// Package fetch is the global fetch, which the module "dgate/http" exports as well:
// HTTP requests that scripts make. It decides where scripts may connect to, when a
// connection is dialled. It has no cookies and no cache, uses no proxy from the
// environment, and knows no Request, FormData or streams of the web.
package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// userAgent is sent when a script sets no other.
const userAgent = "DGate-Client/1.0"

// maxRedirects is how many redirects are followed.
const maxRedirects = 20

// Policy says where scripts may connect to.
type Policy uint8

// The policies. Addresses that Options.Forbidden lists are refused by all of them.
const (
	Any    Policy = iota // everywhere
	Public               // addresses of the public internet only
	Off                  // nowhere
)

// ParsePolicy reads the name of a policy: any, public or off.
func ParsePolicy(name string) (Policy, error) {
	switch name {
	case "any", "":
		return Any, nil
	case "public":
		return Public, nil
	case "off":
		return Off, nil
	}
	return Any, errors.New("unknown policy " + name + ", expected any, public or off")
}

// Options configure a Client. Their functions are called when a connection is
// dialled, from any goroutine.
type Options struct {
	// Policy says where scripts may connect to now. Default: Any.
	Policy func() Policy
	// Forbidden lists addresses that scripts must never reach, such as Caddy's admin
	// endpoint. An unspecified address (0.0.0.0, ::) stands for all of this machine's.
	Forbidden func() []netip.AddrPort
}

// Client makes the requests of all scripts of a process. Connections are shared.
type Client struct {
	opts      Options
	transport *http.Transport
	follow    http.Client
	manual    http.Client
	reject    http.Client
}

// errRedirect ends a request that must not be redirected.
var errRedirect = errors.New("the answer is a redirect, and redirect is \"error\"")

// New returns a Client.
func New(opts Options) *Client {
	c := &Client{opts: opts}
	dialer := c.dialer()
	c.transport = &http.Transport{
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	c.follow = http.Client{Transport: c.transport, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("stopped after 20 redirects")
		}
		return nil
	}}
	c.manual = http.Client{Transport: c.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.reject = http.Client{Transport: c.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}
	return c
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Global is the global function fetch.
func (c *Client) Global() js.Global { return js.Global{Name: "fetch", New: c.function} }

// Module is the module "dgate/http".
func (c *Client) Module() js.Module {
	return js.Module{Name: "dgate/http", Exports: []js.Export{{Name: "fetch", New: c.function}}}
}

type functionKey struct{ c *Client }

// function is fetch on vm: one function, however many names it has.
func (c *Client) function(vm *js.VM) goja.Value {
	return vm.Value(functionKey{c}, func(vm *js.VM) any {
		return vm.Func("fetch", 2, func(call goja.FunctionCall) goja.Value { return c.fetch(vm, call) })
	}).(*goja.Object)
}

// fetch is fetch(url, options). What is wrong with the arguments rejects the promise, too.
func (c *Client) fetch(vm *js.VM, call goja.FunctionCall) goja.Value {
	var req *request
	if thrown := vm.Runtime().Try(func() { req = readRequest(vm, call.Argument(0), call.Argument(1)) }); thrown != nil {
		promise, _, reject := vm.NewPromise()
		reject(thrown.Value())
		return promise
	}
	switch {
	case vm.Scope() != nil:
	case vm.Call() != 0:
		vm.ThrowType("fetch is not available while a module is being loaded: call it in a hook")
	default: // code of a request that is over
		promise, _, reject := vm.NewPromise()
		reject(vm.Error(typeError("request is finished")))
		return promise
	}
	limit := vm.Limits().Body
	return js.Async(vm,
		func(ctx context.Context) (*answer, error) { return c.do(ctx, req, limit) },
		func(vm *js.VM, a *answer) goja.Value { return newResponse(vm, a) })
}

// answer is what came back: the head, with a body still to be read.
type answer struct {
	resp       *http.Response
	redirected bool
	took       time.Duration
	limit      int64
	cancel     context.CancelFunc
}

// do sends a request.
func (c *Client) do(ctx context.Context, req *request, limit int64) (*answer, error) {
	cancel := context.CancelFunc(func() {})
	if req.timeout > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, req.timeout, errors.New("fetch timed out after "+req.timeout.String()))
	}
	r, err := req.build(ctx)
	if err == nil && c.policy() == Off {
		err = errOff // also where a connection is still open
	}
	if err != nil {
		cancel()
		return nil, err
	}
	client := &c.follow
	switch req.redirect {
	case "manual":
		client = &c.manual
	case "error":
		client = &c.reject
	}
	begin := time.Now()
	resp, err := client.Do(r) //nolint:bodyclose // the answer closes it, or its context ends with the call
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && req.timeout > 0 {
			err = cause
		}
		cancel()
		return nil, err
	}
	return &answer{
		resp: resp, limit: limit, cancel: cancel,
		redirected: resp.Request.URL.String() != r.URL.String(),
		took:       time.Since(begin),
	}, nil
}

// errTooLarge is what reading a body fails with that is larger than the limit.
var errTooLarge = errors.New("the body is larger than the limit of what a script may buffer")

// read reads the body to its end, and ends the request.
func (a *answer) read() ([]byte, error) {
	defer a.cancel()
	defer a.resp.Body.Close() // all that matters is told by reading
	data, err := io.ReadAll(io.LimitReader(a.resp.Body, a.limit+1))
	if err == nil && int64(len(data)) > a.limit {
		err = errTooLarge
	}
	return data, err
}

// typeError is a TypeError for Go code that must not throw.
func typeError(text string) error { return &js.TypeError{Message: text} }
