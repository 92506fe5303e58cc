package fetch

import (
	"context"
	"io"
	"net/http"
	"slices"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
	"github.com/dgate-io/caddy-dgate/internal/js/host/stream"
)

// build makes the request that is sent, with a content that nothing else reads.
func (r *Request) build(x *exchange, b *body) (*http.Request, error) {
	target := *r.url
	target.Fragment, target.RawFragment = "", ""
	req, err := http.NewRequestWithContext(x.ctx, r.method, target.String(), nil)
	if err != nil {
		return nil, typeError("fetch: " + err.Error())
	}
	req.Header = r.outgoing()
	if host := r.header.Get("Host"); host != "" && !r.c.came(host) {
		req.Host = host
	}
	switch {
	case b == nil:
	case b.size() == 0:
		req.Body = http.NoBody
	case b.stream != nil:
		req.Body, req.ContentLength = r.c.pipe(x, b), -1
	case b.src != nil:
		req.Body, req.ContentLength = b.src, b.size()
	default:
		req.GetBody = func() (io.ReadCloser, error) { return b.reader(), nil } // for redirects
		req.Body, req.ContentLength = b.reader(), b.size()
	}
	return req, nil
}

// pipe returns a reader of what a script writes into the stream of a body. When the
// stream fails, the exchange is aborted with the reason.
func (c *classes) pipe(x *exchange, b *body) io.ReadCloser {
	vm := c.vm
	r, w := io.Pipe()
	context.AfterFunc(x.ctx, func() { _ = r.CloseWithError(context.Cause(x.ctx)) }) // or net/http waits for more
	gone := false                                                                   // whether nobody reads r any more
	sent := stream.Each(vm, b.stream, func(data []byte) goja.Value {
		chunk := slices.Clone(data)
		return js.Async(vm, func(context.Context) (failed, err error) {
			_, failed = w.Write(chunk) // when r is closed, at the latest at the end of the exchange
			return failed, nil
		}, func(vm *js.VM, failed error) goja.Value {
			if gone = failed != nil; gone {
				vm.Throw(failed)
			}
			return goja.Undefined()
		})
	}, func() goja.Value {
		_ = w.Close() // it cannot fail
		return goja.Undefined()
	})
	native.Catch(vm, sent, func(reason goja.Value) {
		if !gone {
			_ = w.CloseWithError(errAborted) // nor can this
			x.abort(reason)
		}
	})
	return r
}

// outgoing is the header that is sent: that of r, without what net/http decides.
func (r *Request) outgoing() http.Header {
	h := r.header.Clone()
	for _, name := range hopByHop {
		delete(h, name)
	}
	delete(h, "Host")
	delete(h, "Content-Length")
	if h.Get("Accept-Encoding") != "identity" {
		delete(h, "Accept-Encoding") // so that gzip is asked for, and decoded
	}
	if _, set := h["User-Agent"]; !set {
		h["User-Agent"] = []string{userAgent}
	}
	return h
}
