package cli

import (
	"maps"
	"path/filepath"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// echoed are the fields that the original client printed after a create although they were not
// given, with their JSON. A kind that is not listed prints what was given, and its namespace.
var echoed = map[string]map[string]string{
	"route":  {"preserveHost": "false", "stripPath": "false"},
	"domain": {"priority": "0", "cert": `""`, "key": `""`},
}

// echo is the answer to a create: the input, as the original client printed it, without secrets.
func (in *input) echo() []byte {
	shown := &input{kind: in.kind, values: maps.Clone(in.values)}
	for _, f := range in.kind.Fields {
		if f.Secret && in.word(f.Name) != "" {
			shown.values[f.Name] = quote(resource.Redacted)
		}
	}
	further := map[string]string{}
	if in.kind.Scope != resource.Global {
		further["namespace"] = `""`
	}
	maps.Copy(further, echoed[in.kind.Name])
	return shown.render(further)
}

// deduced are fields whose value shows in the name of a file that another field is read from.
var deduced = map[string]struct {
	from, field string
	byExtension map[string]string
}{
	"module": {"payload", "moduleType", map[string]string{
		".js": resource.JavaScript, ".mjs": resource.JavaScript, ".cjs": resource.JavaScript,
	}},
}

// deduce sets such a field, unless it was given.
func deduce(in *input, p pair) {
	rule, ok := deduced[in.kind.Name]
	if !ok || p.key != rule.from || p.op != asFile || in.values[rule.field] != nil {
		return
	}
	if value, ok := rule.byExtension[strings.ToLower(filepath.Ext(p.value))]; ok {
		in.values[rule.field] = quote(value)
	}
}
