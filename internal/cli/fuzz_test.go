package cli

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// FuzzArgs: whatever is typed, it does not panic, and what is accepted makes JSON that has the
// name and nothing that was not typed.
func FuzzArgs(f *testing.F) {
	for _, seed := range []string{
		"name=a", "name=a urls=http://a,http://b", "retries:=1e400", "retries:=1.5", "retryTimeout=1h", "retry_timeout_ms=9223372036854775807",
		"retryTimeout:=99999999999999999999", "tags:=[]", "payload@=f", "=x", ":=", "@=", "a", "name:=\"\\ud800\"", "tags:=\"a,b\"", "http2Only=T",
		"name=\xff", "connectTimeout:=-1e18", "name:={}", "paths:=[1,\"/\"]",
	} {
		f.Add(seed)
	}
	s := &session{}
	f.Fuzz(func(t *testing.T, line string) {
		pairs, positional, err := parseArgs(strings.Fields(line))
		if err != nil {
			return
		}
		if len(pairs)+len(positional) != len(strings.Fields(line)) {
			t.Fatalf("%q has %d pairs and %d words", line, len(pairs), len(positional))
		}
		for i := range pairs {
			if pairs[i].op == asFile {
				pairs[i].op = asText // no files here
			}
		}
		for _, kind := range resource.All {
			allowed, _ := everyField(kind)
			in, err := s.readPairs(kind, pairs, allowed)
			if err != nil {
				continue
			}
			var members map[string]any
			if err := json.Unmarshal(in.echo(), &members); err != nil {
				t.Fatalf("%q makes %s: %v", line, in.echo(), err)
			}
			_, err = resource.Decode(kind, in.object(), resource.Strict)
			var refused *resource.Error
			if err != nil && !errors.As(err, &refused) {
				t.Fatalf("%q makes %s: %v", line, in.object(), err)
			}
		}
	})
}
