package fetch

import (
	"bytes"
	"context"
	"io"
	"net/http"
)

// build makes the request that is sent. The body of r is used from then on.
func (r *Request) build(ctx context.Context) (*http.Request, error) {
	content, err := r.body.take()
	if err != nil {
		return nil, err
	}
	target := *r.url
	target.Fragment, target.RawFragment = "", ""
	req, err := http.NewRequestWithContext(ctx, r.method, target.String(), nil)
	if err != nil {
		return nil, typeError("fetch: " + err.Error())
	}
	req.Header = r.outgoing()
	if host := r.header.Get("Host"); host != "" && !r.c.came(host) {
		req.Host = host
	}
	switch {
	case content == nil, content.size() == 0 && !hasBody(r.method):
	case content.src == nil:
		req.ContentLength = int64(len(content.data))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.data)), nil } // for redirects
		req.Body, _ = req.GetBody()
	default:
		req.ContentLength = content.size()
		req.Body = content.reader()
	}
	if content != nil && content.size() == 0 {
		req.Body, req.GetBody = http.NoBody, func() (io.ReadCloser, error) { return http.NoBody, nil }
	}
	return req, nil
}

// came tells whether the request that the hook was called for came with that Host.
// A Host that is copied from there with the other headers would be wrong elsewhere.
func (c *classes) came(host string) bool {
	return c.incoming.call != 0 && c.incoming.call == c.vm.Call() && c.incoming.host == host
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
