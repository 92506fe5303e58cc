package secret_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/secret"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// secrets are by namespace and name. Those of package moduledata come from a store.
type secrets map[string]string

func (s secrets) Secret(_ context.Context, namespace, name string) (string, bool, error) {
	value, ok := s[namespace+"/"+name]
	if value == "locked" {
		return "", false, resource.Errorf(resource.Conflict, "secret %s/%s cannot be read: another key", namespace, name)
	}
	return value, ok, nil
}

func newHost(source secrets, namespace string) hosttest.Host {
	return hosttest.Host{
		Modules:   []js.Module{secret.Module(source)},
		Prelude:   `import { getSecret } from "dgate/secret";`,
		Namespace: namespace,
	}
}

func TestModule(t *testing.T) {
	source := secrets{"a/key": "é of a", "b/key": "of b", "a/locked": "locked"}
	for namespace, cases := range map[string]map[string]hosttest.Case{
		"a": {
			"value":             {Code: `return [getSecret("key"), typeof getSecret("key")]`, Want: `["é of a","string"]`},
			"absent":            {Code: `return getSecret("none")`, Want: `null`},
			"empty name":        {Code: `return getSecret("")`, Want: `null`},
			"cannot be read":    {Code: `getSecret("locked")`, Err: `Error: secret a/locked cannot be read: another key`},
			"code of the error": {Code: `try { getSecret("locked") } catch (e) { return [e instanceof Error, e.code] }`, Want: `[true,"conflict"]`},
			"no name":           {Code: `getSecret()`, Err: `TypeError: getSecret: expected the name of a secret, a string, got undefined`},
			"a number":          {Code: `getSecret(1)`, Err: `TypeError: getSecret: expected the name of a secret, a string, got number`},
		},
		"b": {
			"of the same name":       {Code: `return getSecret("key")`, Want: `"of b"`},
			"of another namespace":   {Code: `return getSecret("locked")`, Want: `null`},
			"a path instead of name": {Code: `return getSecret("../a/key")`, Want: `null`},
		},
		"": {"no namespace": {Code: `getSecret("key")`, Err: `TypeError: getSecret is not available: this script belongs to no namespace`}},
	} {
		t.Run(fmt.Sprintf("of %q", namespace), func(t *testing.T) {
			newHost(source, namespace).Run(t, cases)
		})
	}
}

func TestLoading(t *testing.T) {
	got := newHost(secrets{}, "a").Load(t, `const key = getSecret("key")`)
	if want := `TypeError: getSecret is not available while a module is being loaded: call it in a hook`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
