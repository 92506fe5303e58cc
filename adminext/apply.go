package adminext

import (
	"net/http"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/change/batch"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// applied is what became of an operation, or would become of it.
type applied struct {
	Kind string            `json:"kind"`
	Key  map[string]string `json:"key"`
	// Action is one of created, changed, unchanged and deleted.
	Action string `json:"action"`
	// Version is that of the resource now; 0 if it does not exist.
	Version uint64 `json:"version"`
	// Fields are those that would change; for dry runs only.
	Fields []resource.Difference `json:"fields,omitempty"`
}

// applyBody is the data of the answer.
type applyBody struct {
	Index   uint64    `json:"index"`
	Results []applied `json:"results"`
}

// apply makes several changes, all or none; with dryRun it says what it would do.
func apply(c *call) (*reply, error) {
	dryRun, err := c.flag("dryRun")
	if err != nil {
		return nil, err
	}
	data, err := readUpTo(batch.MaxBody, batch.Hint, c.w, c.r)
	if err != nil {
		return nil, err
	}
	changes, err := batch.Decode(data, c.app.DefaultNamespace())
	if err != nil {
		return nil, err
	}
	run := c.applyAll
	if dryRun {
		run = c.planAll
	}
	body, warnings, err := run(changes)
	c.index = max(c.index, body.Index)
	if err != nil {
		return nil, batch.Locate(err, changes)
	}
	return dataReply(http.StatusOK, body, warnings), nil
}

func (c *call) applyAll(changes []change.Change) (body applyBody, warnings []string, err error) {
	all, err := c.app.Writer().Apply(c.r.Context(), changes...)
	body = applyBody{Index: all.Index, Results: []applied{}}
	for i, r := range all.Each {
		one := outcome(changes[i], r.Created, r.Changed)
		if r.Object != nil {
			one.Version = r.Object.Metadata().Version
		}
		body.Results = append(body.Results, one)
	}
	return body, all.Warnings, err
}

func (c *call) planAll(changes []change.Change) (body applyBody, warnings []string, err error) {
	plan, err := c.app.Writer().Plan(c.r.Context(), changes...)
	body = applyBody{Index: plan.Index, Results: []applied{}}
	for i, p := range plan.Each {
		one := outcome(changes[i], p.Created, p.Changed)
		one.Version, one.Fields = p.Version, p.Differences
		body.Results = append(body.Results, one)
	}
	return body, plan.Warnings, err
}

func outcome(c change.Change, created, changed bool) applied {
	key := c.Target()
	kind := resource.MustKind(key.Kind)
	one := applied{Kind: kind.Name, Key: map[string]string{}, Action: "unchanged"}
	for i, value := range kind.KeyValues(key) {
		one.Key[kind.KeyFields()[i]] = value
	}
	switch {
	case c.Object == nil:
		one.Action = "deleted"
	case created:
		one.Action = "created"
	case changed:
		one.Action = "changed"
	}
	return one
}

// flag reads a switch of the query.
func (c *call) flag(name string) (bool, error) {
	switch c.r.URL.Query().Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, resource.Errorf(resource.BadRequest, "%s must be true or false", name)
}
