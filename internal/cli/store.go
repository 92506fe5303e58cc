package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/adminclient/original"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// store puts what was read into the server, in parts.
func (im *importer) store(cmd *cobra.Command, objs []resource.Object) error {
	client, err := im.session.client(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	defer client.Close()
	var plans []*plan
	for _, part := range parts(objs) {
		p, err := im.accepted(cmd.Context(), client, part)
		if err != nil {
			return err
		}
		plans = append(plans, p)
	}
	if err := im.show(cmd, plans); err != nil || im.dryRun || !slices.ContainsFunc(plans, (*plan).differs) {
		return err
	}
	if !im.yes {
		if err := im.session.confirm(); err != nil {
			return err
		}
	}
	for i, p := range plans {
		if !p.differs() {
			continue
		}
		ops := p.ops // those of documents have collections that the first part has changed
		if i == 0 {
			ops = p.guarded()
		}
		if _, err := client.Apply(cmd.Context(), ops); err != nil {
			return fmt.Errorf("part %d of %d, after %d were stored: %w", i+1, len(plans), i, p.refused(err))
		}
	}
	_, err = fmt.Fprintln(im.session.notes(cmd), "imported")
	return err
}

// The bounds of a part with documents: well below those of a command.
const (
	partCount = 2000
	partSize  = 8 << 20
)

// parts splits resources into what is stored at once: first all but documents, then documents,
// each time with the collections that they are in, and the namespaces of those, so that a part can
// be planned before any other is stored.
func parts(objs []resource.Object) [][]resource.Object {
	var first, part []resource.Object
	parents := map[resource.Key]resource.Object{} // namespaces and collections
	added := map[resource.Key]bool{}              // those in the part
	var all [][]resource.Object
	size := 0
	for _, obj := range objs {
		document, ok := obj.(*resource.Document)
		if !ok {
			first = append(first, obj)
			parents[obj.Key()] = obj
			continue
		}
		if len(part) >= partCount || size+len(document.Data) > partSize && size > 0 {
			all, part, size = append(all, part), nil, 0
			clear(added)
		}
		for _, key := range []resource.Key{
			{Kind: "namespace", Name: document.Namespace}, {Kind: "collection", Namespace: document.Namespace, Name: document.Collection},
		} {
			if parent := parents[key]; parent != nil && !added[key] {
				part = append(part, parent)
				added[key] = true
			}
		}
		part, size = append(part, document), size+len(document.Data)
	}
	if len(part) > 0 {
		all = append(all, part)
	}
	return slices.Insert(all, 0, first)
}

// accepted plans a part, without what the server refuses. What refers to that is refused in turn.
func (im *importer) accepted(ctx context.Context, client *adminclient.Client, objs []resource.Object) (*plan, error) {
	p := &plan{effects: &adminclient.Effects{JSON: []byte(`{"results":[]}`)}}
	for _, obj := range objs {
		p.ops = append(p.ops, adminclient.Operation{Put: obj})
	}
	for len(p.ops) > 0 {
		effects, err := client.Plan(ctx, p.ops)
		if err == nil {
			p.effects = effects
			return p, nil
		}
		reasons := refusals(err)
		if len(reasons) == 0 {
			return nil, err
		}
		for _, i := range slices.Backward(slices.Sorted(maps.Keys(reasons))) {
			if i >= len(p.ops) {
				return nil, err
			}
			im.leave(p.ops[i].Put.Key(), reasons[i])
			p.ops = slices.Delete(p.ops, i, i+1)
		}
	}
	return p, nil
}

// leave notes what is not imported, each once.
func (im *importer) leave(key resource.Key, why []string) {
	if !slices.ContainsFunc(im.left, func(u original.Unread) bool { return u.Key == key && u.Why == strings.Join(why, "; ") }) {
		im.left = append(im.left, original.Unread{Key: key, Why: strings.Join(why, "; ")})
	}
}

// refusals says which operations a server has refused, and why.
func refusals(err error) map[int][]string {
	refused, ok := errors.AsType[*adminclient.Error](err)
	if !ok {
		return nil
	}
	reasons := map[int][]string{}
	for _, f := range refused.Fields {
		rest, ok := strings.CutPrefix(f.Field, "operations[")
		number, field, _ := strings.Cut(rest, "]")
		i, err := strconv.Atoi(number)
		if !ok || err != nil || i < 0 {
			return nil // it is about something else
		}
		field = strings.TrimPrefix(strings.TrimPrefix(field, ".put"), ".")
		reasons[i] = append(reasons[i], strings.TrimPrefix(field+": "+f.Problem, ": "))
	}
	return reasons
}

// show prints the plan of the first part, and how many documents the others have.
func (im *importer) show(cmd *cobra.Command, plans []*plan) error {
	if err := im.session.showPlan(cmd, plans[0]); err != nil {
		return err
	}
	count := map[string]int{}
	for _, p := range plans[1:] {
		for i, op := range p.ops {
			if _, ok := op.Put.(*resource.Document); ok {
				count[p.effects.Each[i].Action]++
			}
		}
	}
	if len(plans) == 1 {
		return nil
	}
	_, err := fmt.Fprintf(im.session.notes(cmd), "documents: %d to create, %d to change; %s as read\n",
		count[adminclient.Created], count[adminclient.Changed], resources(count[adminclient.Unchanged]))
	return err
}
