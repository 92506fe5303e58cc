package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// signs are how a plan shows what becomes of a resource. What does not change is only counted.
var signs = map[string]string{adminclient.Created: "+", adminclient.Changed: "~", adminclient.Deleted: "-"}

// showPlan prints a plan for people, or as -o asks for.
func (s *session) showPlan(cmd *cobra.Command, p *plan) error {
	if cmd.Flags().Changed("output") && s.flags.output != formatTable {
		return s.print(nil, p.effects.JSON)
	}
	count := map[string]int{}
	for i, e := range p.effects.Each {
		count[e.Action]++
		sign, shown := signs[e.Action]
		if !shown {
			continue
		}
		key := p.ops[i].Delete
		if p.ops[i].Put != nil {
			key = p.ops[i].Put.Key()
		}
		fmt.Fprintf(s.stdout, "%s %s\n", sign, oneLine(key.String()))
		for _, d := range e.Fields {
			fmt.Fprintf(s.stdout, "    %s\n", describe(resource.MustKind(key.Kind), d))
		}
	}
	if !p.differs() {
		_, err := fmt.Fprintf(s.stdout, "nothing to change; %s as listed\n", resources(len(p.ops)))
		return err
	}
	_, err := fmt.Fprintf(s.stdout, "%d to create, %d to change, %d to delete; %s as listed\n",
		count[adminclient.Created], count[adminclient.Changed], count[adminclient.Deleted], resources(count[adminclient.Unchanged]))
	return err
}

func resources(n int) string {
	if n == 1 {
		return "1 resource is"
	}
	return fmt.Sprintf("%d resources are", n)
}

// describe is a difference on one line.
func describe(kind *resource.Kind, d resource.Difference) string {
	name := oneLine(d.Field)
	if len(d.Old) == 0 || len(d.New) == 0 {
		return name
	}
	field, _ := kind.FieldByName(d.Field)
	value := func(data []byte) string { return cmp.Or(shorten(cell(field, data)), "(none)") }
	return strings.Join([]string{name + ":", value(d.Old), "→", value(d.New)}, " ")
}

// notes is where remarks go that are not what -o asks for.
func (s *session) notes(cmd *cobra.Command) io.Writer {
	if cmd.Flags().Changed("output") && s.flags.output != formatTable {
		return s.stderr
	}
	return s.stdout
}
