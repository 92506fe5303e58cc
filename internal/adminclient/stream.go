package adminclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Download writes the body of an answer to w, however long it is, and tells its header. It follows
// no redirects. After an error, what was written is not all.
func (c *Client) Download(ctx context.Context, call Call, w io.Writer) (http.Header, error) {
	resp, err := c.stream(ctx, call, http.NoBody)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return nil, fmt.Errorf("read the answer to its end: %w", err)
	}
	return resp.Header, nil
}

// Upload sends a body, however long it is, and reads the answer. It follows no redirects. If body
// fails, the server sees that its end is missing.
func (c *Client) Upload(ctx context.Context, call Call, body io.Reader) (*Answer, error) {
	failing := &noting{Reader: body}
	resp, err := c.stream(ctx, call, failing)
	if failing.err != nil {
		return nil, failing.err // which says more than that the request broke off
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: data}, nil
}

// noting remembers why a body could not be read.
type noting struct {
	io.Reader
	err error
}

func (n *noting) Read(p []byte) (int, error) {
	read, err := n.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return read, err
}

// stream sends a request. The caller closes the body of the answer, which is a success.
func (c *Client) stream(ctx context.Context, call Call, body io.Reader) (*http.Response, error) {
	target, err := url.Parse(c.address.url(call.Path, call.Query))
	if err != nil {
		return nil, fmt.Errorf("admin address: %w", err)
	}
	req, err := c.request(ctx, call, target, body, true)
	if err != nil {
		return nil, err
	}
	if body != http.NoBody {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	patient := *c.http
	if transport, ok := c.http.Transport.(*http.Transport); ok {
		transport = transport.Clone()
		transport.ResponseHeaderTimeout = 0 // what follows a large body takes its time
		defer transport.CloseIdleConnections()
		patient.Transport = transport
	}
	start := time.Now()
	resp, err := patient.Do(req)
	if err != nil {
		return nil, c.withHint(err)
	}
	if c.options.Trace != nil {
		c.options.Trace(Exchange{Proto: resp.Proto, Method: call.Method, URL: target.String(), Status: resp.Status, Took: time.Since(start)})
	}
	if err := c.refusal(resp, target); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// refusal is the error that an answer is, nil for a success of DGate.
func (c *Client) refusal(resp *http.Response, target *url.URL) error {
	ours := resp.Header.Get(indexHeader) != ""
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return ErrRedirect
	case resp.StatusCode >= 400:
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		refused := errorFrom(resp.StatusCode, resp.Header.Get("Content-Type"), data)
		if !ours {
			refused.foreign(target)
		}
		return refused
	case !ours:
		return errors.New(notOurs(target))
	}
	return nil
}
