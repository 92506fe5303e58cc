// Package fetch is the global fetch, which the module "dgate/http" exports as well,
// with the classes Request and Response: HTTP requests that scripts make. For hooks
// it shows the request that has come in as a Request, and reads the Response that
// is to be the answer. It decides where scripts may connect to, when a
// connection is dialled. It has no cookies and no cache, uses no proxy from the
// environment, and knows no FormData.
package fetch

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/abort"
)

// userAgent is sent when a script sets no other.
const userAgent = "DGate-Client/1.0"

// maxHeader is how large the header of an answer may be, in bytes.
const maxHeader = 1 << 20

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

// Options say where scripts may connect to.
type Options struct {
	// Policy is which addresses they may connect to. Default: Any.
	Policy Policy
	// Forbidden lists addresses that scripts must never reach, such as Caddy's admin
	// endpoint. An unspecified address (0.0.0.0, ::) stands for all of this machine's.
	Forbidden []netip.AddrPort
}

// Client makes the requests of all scripts of a process. Connections are shared.
type Client struct {
	rules  atomic.Pointer[rules]
	follow http.Client
	manual http.Client
	reject http.Client
}

// errRedirect ends a request that must not be redirected.
var errRedirect = errors.New("the answer is a redirect, and redirect is \"error\"")

// New returns a Client.
func New(opts Options) *Client {
	c := &Client{}
	c.rules.Store(c.newRules(opts))
	now := current{c}
	c.follow = http.Client{Transport: now, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("stopped after 20 redirects")
		}
		return nil
	}}
	c.manual = http.Client{Transport: now, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.reject = http.Client{Transport: now, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}
	return c
}

// Configure has all requests and redirects from now on obey opts. Answers that are
// being read are read to their end. The caller must not change opts afterwards.
func (c *Client) Configure(opts Options) {
	if c.rules.Load().same(opts) {
		return
	}
	c.rules.Swap(c.newRules(opts)).transport.CloseIdleConnections()
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.rules.Load().transport.CloseIdleConnections() }

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
	var req *Request
	web := classesOf(vm)
	if thrown := vm.Runtime().Try(func() { req = web.readRequest("fetch", call.Argument(0), call.Argument(1)) }); thrown != nil {
		return rejected(vm, thrown.Value())
	}
	switch {
	case vm.Scope() != nil:
	case vm.Call() != 0:
		vm.ThrowType("fetch is not available while a module is being loaded: call it in a hook")
	default: // code of a request that is over
		return rejected(vm, vm.Error(typeError("request is finished")))
	}
	if req.signal != nil {
		if reason, aborted := abort.Aborted(req.signal); aborted {
			return rejected(vm, reason)
		}
	}
	content, err := req.body.take(vm)
	if err == nil && c.rules.Load().Policy == Off {
		err = errOff // without asking for the address of a name
	}
	if err != nil {
		return rejected(vm, vm.Error(err))
	}
	x := newExchange(vm.Context(), req.timeout)
	if req.signal != nil {
		abort.Listen(x.ctx, vm, req.signal, x.abort)
	}
	r, err := req.build(x, content)
	if err != nil {
		x.end()
		return rejected(vm, vm.Error(err))
	}
	client := c.clientFor(req.redirect)
	return js.Async(vm,
		func(context.Context) (*exchange, error) { return x, x.do(client, r) },
		func(vm *js.VM, x *exchange) goja.Value {
			if x.reason != nil {
				x.end()
				panic(x.reason)
			}
			return web.newResponse(x)
		})
}

// clientFor returns the client that treats redirects in that way.
func (c *Client) clientFor(redirect string) *http.Client {
	switch redirect {
	case "manual":
		return &c.manual
	case "error":
		return &c.reject
	}
	return &c.follow
}

// do sends the request and waits for the head of the answer.
func (x *exchange) do(client *http.Client, r *http.Request) error {
	begin := time.Now()
	resp, err := client.Do(r) //nolint:bodyclose // the end of the exchange closes it
	if err != nil {
		err = x.failed(err)
		x.end()
		if errors.Is(err, errAborted) { // the reason is the script's
			return nil
		}
		return err
	}
	x.resp, x.took = resp, time.Since(begin)
	x.redirected = resp.Request.URL.String() != r.URL.String()
	return nil
}

// typeError is a TypeError for Go code that must not throw.
func typeError(text string) error { return &js.TypeError{Message: text} }
