package adminclient

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Operation is one of several changes that are made together.
type Operation struct {
	// Put is what to store; nil removes what Delete names.
	Put resource.Object
	// Delete is what to remove; unused if there is something to put.
	Delete resource.Key
	// Version is that of the resource which the change is meant for, 0 if it must not exist; nil
	// is any.
	Version *uint64
}

// MarshalJSON implements [json.Marshaler]. It has the values of secret fields.
func (o Operation) MarshalJSON() ([]byte, error) {
	op := struct {
		Kind      string            `json:"kind"`
		Put       json.RawMessage   `json:"put,omitempty"`
		Delete    map[string]string `json:"delete,omitempty"`
		IfVersion *uint64           `json:"ifVersion,omitempty"`
	}{Kind: o.Delete.Kind, IfVersion: o.Version}
	if o.Put != nil {
		var err error
		op.Kind = o.Put.Key().Kind
		op.Put, err = resource.Encode(o.Put)
		if err != nil {
			return nil, err
		}
		return json.Marshal(op)
	}
	kind := resource.MustKind(op.Kind)
	op.Delete = map[string]string{}
	for i, value := range kind.KeyValues(o.Delete) {
		op.Delete[kind.KeyFields()[i]] = value
	}
	return json.Marshal(op)
}

// What becomes of a resource.
const (
	Created   = "created"
	Changed   = "changed"
	Unchanged = "unchanged"
	Deleted   = "deleted"
)

// Effect is what becomes of the resource of one operation.
type Effect struct {
	// Action is one of [Created], [Changed], [Unchanged] and [Deleted].
	Action string `json:"action"`
	// Version is that of the resource, 0 if there is none.
	Version uint64 `json:"version"`
	// Fields are those that would change; in plans only.
	Fields []resource.Difference `json:"fields"`
}

// Effects is what becomes of several operations.
type Effects struct {
	// Index is that of the change, or of the state that a plan was made on.
	Index uint64
	// Each has the effects, in the order of the operations.
	Each []Effect
	// JSON is the answer for programs.
	JSON json.RawMessage
	// Warnings are things to look at, although the operations are accepted.
	Warnings []string
}

// Apply makes several changes, all or none.
func (c *Client) Apply(ctx context.Context, ops []Operation) (*Effects, error) {
	return c.apply(ctx, ops, nil)
}

// Plan says what Apply would do, and refuses what it would refuse. The versions in the answer are
// those that the plan was made on.
func (c *Client) Plan(ctx context.Context, ops []Operation) (*Effects, error) {
	return c.apply(ctx, ops, url.Values{"dryRun": {"true"}})
}

func (c *Client) apply(ctx context.Context, ops []Operation, query url.Values) (*Effects, error) {
	body, err := json.Marshal(map[string]any{"operations": ops})
	if err != nil {
		return nil, err
	}
	answer, err := c.Do(ctx, Call{Method: http.MethodPost, Path: []string{"api", "v1", "apply"}, Query: query, Body: body})
	if err != nil {
		return nil, err
	}
	var envelope struct {
		Data     json.RawMessage `json:"data"`
		Warnings []string        `json:"warnings"`
	}
	if err := unmarshal(answer, &envelope); err != nil {
		return nil, err
	}
	var data struct {
		Index   uint64   `json:"index"`
		Results []Effect `json:"results"`
	}
	if json.Unmarshal(envelope.Data, &data) != nil || len(data.Results) != len(ops) {
		return nil, unexpected(answer)
	}
	for i, w := range envelope.Warnings {
		envelope.Warnings[i] = printable(w)
	}
	return &Effects{Index: data.Index, Each: data.Results, JSON: envelope.Data, Warnings: envelope.Warnings}, nil
}
