package cli

import (
	"context"
	"errors"
	"fmt"
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
	first, err := im.accepted(cmd.Context(), client, slices.DeleteFunc(slices.Clone(objs), isDocument))
	if err != nil {
		return err
	}
	plans := []*plan{first}
	for _, part := range parts(im.housed(objs, first)) {
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

func isDocument(obj resource.Object) bool { return obj.Key().Kind == "document" }

// housed is a document with the namespace and the collection that it is in.
type housed struct {
	*resource.Document
	in []resource.Object
}

// housed gives the documents whose collections are accepted.
func (im *importer) housed(objs []resource.Object, accepted *plan) []housed {
	there := map[resource.Key]resource.Object{}
	for _, op := range accepted.ops {
		there[op.Put.Key()] = op.Put
	}
	var all []housed
	for _, obj := range objs {
		d, ok := obj.(*resource.Document)
		if !ok {
			continue
		}
		namespace := there[resource.Key{Kind: "namespace", Name: d.Namespace}]
		collection := there[resource.Key{Kind: "collection", Namespace: d.Namespace, Name: d.Collection}]
		if namespace == nil || collection == nil {
			im.leave(d.Key(), "its collection is left out")
			continue
		}
		all = append(all, housed{d, []resource.Object{namespace, collection}})
	}
	return all
}

// parts splits documents into what is stored at once. What they are in is in each part, so that it
// can be planned before anything is stored.
func parts(documents []housed) (all [][]resource.Object) {
	var part []resource.Object
	size, added := 0, map[resource.Object]bool{}
	for _, d := range documents {
		if len(part) >= partCount || size+len(d.Data) > partSize && size > 0 {
			all, part, size = append(all, part), nil, 0
			clear(added)
		}
		for _, obj := range d.in {
			if !added[obj] {
				part, added[obj] = append(part, obj), true
			}
		}
		part, size = append(part, d.Document), size+len(d.Data)
	}
	if len(part) > 0 {
		all = append(all, part)
	}
	return all
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
		var kept []adminclient.Operation
		for i, op := range p.ops {
			if why := reasons[i]; why != nil {
				im.leave(op.Put.Key(), strings.Join(why, "; "))
			} else {
				kept = append(kept, op)
			}
		}
		if len(kept) == len(p.ops) {
			return nil, err
		}
		p.ops = kept
	}
	return p, nil
}

// leave notes what is not imported.
func (im *importer) leave(key resource.Key, why string) {
	im.left = append(im.left, original.Unread{Key: key, Why: why})
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
