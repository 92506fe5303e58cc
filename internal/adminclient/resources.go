package adminclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Condition is what must hold for a write to be done. The zero value is nothing.
type Condition struct {
	// Absent writes only if the resource does not exist yet.
	Absent bool
	// Version writes only if the resource is at this version, unless it is 0.
	Version uint64
}

func (c Condition) header() http.Header {
	h := http.Header{}
	if c.Absent {
		h.Set("If-None-Match", "*")
	}
	if c.Version != 0 {
		h.Set("If-Match", fmt.Sprintf("%q", fmt.Sprint(c.Version)))
	}
	return h
}

// Written is the answer to a PUT.
type Written struct {
	// Created is true if there was no such resource before.
	Created bool
	// Object is the resource as it is stored now.
	Object json.RawMessage
	// Warnings are things to look at, although the resource was accepted.
	Warnings []string
}

// Put stores a resource; object is its JSON, and that of a document its data.
func (c *Client) Put(ctx context.Context, key resource.Key, object []byte, cond Condition) (*Written, error) {
	path, err := itemPath(key)
	if err != nil {
		return nil, err
	}
	answer, err := c.Do(ctx, Call{Method: http.MethodPut, Path: path, Body: object, Header: cond.header()})
	if err != nil {
		return nil, err
	}
	var body struct {
		Data     json.RawMessage `json:"data"`
		Warnings []string        `json:"warnings"`
	}
	if err := unmarshal(answer, &body); err != nil {
		return nil, err
	}
	for i, w := range body.Warnings {
		body.Warnings[i] = printable(w)
	}
	return &Written{Created: answer.Status == http.StatusCreated, Object: body.Data, Warnings: body.Warnings}, nil
}

// Get reads one resource.
func (c *Client) Get(ctx context.Context, key resource.Key) (json.RawMessage, error) {
	path, err := itemPath(key)
	if err != nil {
		return nil, err
	}
	return c.Data(ctx, http.MethodGet, path, nil)
}

// Health reads how the upstreams of a service are.
func (c *Client) Health(ctx context.Context, service resource.Key) (json.RawMessage, error) {
	path, err := itemPath(service)
	if err != nil {
		return nil, err
	}
	return c.Data(ctx, http.MethodGet, append(path, "health"), nil)
}

// DomainStatus reads which certificates a domain has.
func (c *Client) DomainStatus(ctx context.Context, domain resource.Key) (json.RawMessage, error) {
	path, err := itemPath(domain)
	if err != nil {
		return nil, err
	}
	return c.Data(ctx, http.MethodGet, append(path, "status"), nil)
}

// List reads the resources of a kind. within has the values of its key fields but the last: the
// namespace, which is the default one if empty, and all of them if "*".
func (c *Client) List(ctx context.Context, kind *resource.Kind, within ...string) (json.RawMessage, error) {
	fields := kind.KeyFields()
	query := url.Values{}
	for i, value := range within[:min(len(within), len(fields)-1)] {
		query.Set(fields[i], value)
	}
	return c.Data(ctx, http.MethodGet, []string{"api", "v1", kind.Name}, query)
}

// Documents reads documents of a collection, up to limit of them behind the first offset ones.
func (c *Client) Documents(ctx context.Context, namespace, collection string, limit, offset int) (json.RawMessage, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}}
	return c.Data(ctx, http.MethodGet, []string{"api", "v1", "document", namespace, collection}, query)
}

// DeleteDocuments removes all documents of a collection.
func (c *Client) DeleteDocuments(ctx context.Context, namespace, collection string) error {
	_, err := c.Do(ctx, Call{
		Method: http.MethodDelete, Path: []string{"api", "v1", "document"},
		Query: url.Values{"namespace": {namespace}, "collection": {collection}},
	})
	return err
}

// Delete removes one resource.
func (c *Client) Delete(ctx context.Context, key resource.Key, cond Condition) error {
	path, err := itemPath(key)
	if err != nil {
		return err
	}
	_, err = c.Do(ctx, Call{Method: http.MethodDelete, Path: path, Header: cond.header()})
	return err
}

// Data sends a request without a body and gives the data of the answer.
func (c *Client) Data(ctx context.Context, method string, path []string, query url.Values) (json.RawMessage, error) {
	return c.data(ctx, Call{Method: method, Path: path, Query: query})
}

// Post sends JSON, and gives the data of the answer.
func (c *Client) Post(ctx context.Context, path []string, body []byte) (json.RawMessage, error) {
	return c.data(ctx, Call{Method: http.MethodPost, Path: path, Body: body})
}

func (c *Client) data(ctx context.Context, call Call) (json.RawMessage, error) {
	answer, err := c.Do(ctx, call)
	if err != nil {
		return nil, err
	}
	var body struct {
		Data json.RawMessage `json:"data"`
	}
	if err := unmarshal(answer, &body); err != nil {
		return nil, err
	}
	if body.Data == nil {
		return answer.Body, nil // what has no envelope
	}
	return body.Data, nil
}

// itemPath is where one resource is.
func itemPath(key resource.Key) ([]string, error) {
	kind, ok := resource.ByName(key.Kind)
	if !ok {
		return nil, fmt.Errorf("there is no kind %q", key.Kind)
	}
	path := []string{"api", "v1", kind.Name}
	for i, value := range kind.KeyValues(key) {
		if value == "" {
			return nil, fmt.Errorf("%s is required", kind.KeyFields()[i])
		}
		path = append(path, value)
	}
	return path, nil
}

// unmarshal reads an answer that must be JSON.
func unmarshal(answer *Answer, into any) error {
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return unexpected(answer)
	}
	return nil
}

// unexpected is the error of an answer that cannot be read.
func unexpected(answer *Answer) error {
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	return fmt.Errorf("the answer is not what DGate sends (%d, %s); is --admin right?", answer.Status, printable(kind))
}
