package batch_test

import (
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/change/batch"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// FuzzDecode: whatever is sent, it is either refused with a code that is the sender's fault, or
// it is a list of changes of different resources, complete as far as names go.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"operations":[{"kind":"service","put":{"name":"s","urls":["http://a"]},"ifVersion":0}]}`,
		`{"operations":[{"kind":"document","delete":{"id":"a/b","collection":"c","namespace":"n"},"ifVersion":7}]}`,
		`{"operations":[{"kind":"secret","put":{"name":"k","data":"**redacted**"}},{"kind":"secret","delete":{"name":"k"}}]}`,
		`{"operations":[{"kind":"document","put":{"id":"a\u0000b","collection":"c/d","data":[[[]]]}},null,{}]}`,
		`{"operations":[{"kind":"namespace","delete":{"namespace":"","name":"a"}}],"operations":[]}`,
		`[[[[`, `{"operations":[{"ifVersion":-1}]}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		changes, err := batch.Decode(data, resource.DefaultNamespace)
		if err != nil {
			switch resource.CodeOf(err) {
			case resource.BadRequest, resource.ValidationFailed, resource.TooLarge:
			default:
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		seen := map[resource.Key]bool{}
		for _, c := range changes {
			key := c.Target()
			kind, ok := resource.ByName(key.Kind)
			if !ok || seen[key] {
				t.Fatalf("%q has %s, again: %t", data, key, seen[key])
			}
			seen[key] = true
			if c.Object == nil && kind.CheckKey(key) != nil {
				t.Fatalf("%q deletes %q", data, key)
			}
			if kind.Scope != resource.Global && key.Namespace == "" {
				t.Fatalf("%q has %s without a namespace", data, key)
			}
		}
	})
}
