package storage_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/storage"
)

func newHost(c *storage.Cache, namespace string) hosttest.Host {
	return hosttest.Host{
		Modules:   []js.Module{c.Module()},
		Prelude:   `import { setCache, getCache, deleteCache } from "dgate/storage";`,
		Namespace: namespace,
		Limits:    js.Limits{CPU: 10 * time.Second, Timeout: 2 * time.Hour},
	}
}

func TestModule(t *testing.T) {
	newHost(storage.New(), "ns").Run(t, map[string]hosttest.Case{
		"value":               {Code: `return [setCache("v", { a: [1, "é"] }, { ttl: 60 }), getCache("v")]`, Want: `[null,{"a":[1,"é"]}]`},
		"no options":          {Code: `setCache("n", 0); return getCache("n")`, Want: `0`},
		"null is a value":     {Code: `setCache("z", null); return deleteCache("z")`, Want: `true`},
		"absent":              {Code: `return getCache("nobody has set this")`, Want: `null`},
		"replaced":            {Code: `setCache("r", 1); setCache("r", "2"); return getCache("r")`, Want: `"2"`},
		"copied in":           {Code: `const o = { a: 1 }; setCache("i", o); o.a = 2; return getCache("i")`, Want: `{"a":1}`},
		"copied out":          {Code: `setCache("o", { a: 1 }); getCache("o").a = 2; return getCache("o")`, Want: `{"a":1}`},
		"as JSON has it":      {Code: `setCache("j", { d: new Date(0), u: undefined, n: NaN }); return getCache("j")`, Want: `{"d":"1970-01-01T00:00:00.000Z","n":null}`},
		"deleted":             {Code: `setCache("d", 1); return [deleteCache("d"), getCache("d"), deleteCache("d")]`, Want: `[true,null,false]`},
		"ttl of nothing":      {Code: `setCache("t", 1, {}); setCache("u", 1, { ttl: null }); setCache("w", 1, null); return ["t", "u", "w"].map(getCache)`, Want: `[1,1,1]`},
		"ttl of ages":         {Code: `setCache("a", 1, { ttl: 1e300 }); setCache("b", 1, { ttl: Infinity }); return [getCache("a"), getCache("b")]`, Want: `[1,1]`},
		"ttl of no time":      {Code: `setCache("0", 1); setCache("0", 2, { ttl: 0 }); return getCache("0")`, Want: `null`},
		"ttl below 0":         {Code: `setCache("k", 1, { ttl: -1 })`, Err: `RangeError: TTL cannot be negative`},
		"ttl of NaN":          {Code: `setCache("k", 1, { ttl: NaN })`, Err: `TypeError: setCache: expected ttl as a number of seconds, got NaN`},
		"ttl of a text":       {Code: `setCache("k", 1, { ttl: "5m" })`, Err: `TypeError: setCache: expected ttl as a number of seconds, got string`},
		"ttl as options":      {Code: `setCache("k", 1, 60)`, Err: `TypeError: setCache: expected options like { ttl: 60 }, got number`},
		"empty id":            {Code: `setCache("", 1)`, Err: `TypeError: cache id cannot be empty`},
		"empty id, get":       {Code: `getCache("")`, Err: `TypeError: cache id cannot be empty`},
		"id that is no text":  {Code: `getCache(5)`, Err: `TypeError: getCache: expected the id of the cached value, a string, got number`},
		"no id":               {Code: `deleteCache()`, Err: `TypeError: deleteCache: expected the id of the cached value, a string, got undefined`},
		"nothing to keep":     {Code: `setCache("k")`, Err: `TypeError: setCache: undefined cannot be kept: it is not JSON`},
		"a function":          {Code: `setCache("k", () => 1)`, Err: `TypeError: setCache: Function cannot be kept: it is not JSON`},
		"a cycle":             {Code: `const o = {}; o.o = o; setCache("k", o)`, Err: `TypeError: Converting circular structure to JSON`},
		"a large value":       {Code: `setCache("k", "x".repeat(8 << 20))`, Err: `RangeError: setCache: the value is larger than 8.0 MiB`},
		"what throws in JSON": {Code: `setCache("k", { toJSON() { throw new Error("no") } })`, Err: `Error: no`},
	})
}

// TestNamespaces has machines that share a cache: those of one namespace see the same, others do not.
func TestNamespaces(t *testing.T) {
	cache := storage.New()
	steps := []struct{ namespace, code, want string }{
		{"a", `setCache("k", "of a")`, ""},
		{"b", `return getCache("k")`, `null`},
		{"b", `setCache("k", "of b")`, ""},
		{"a", `return getCache("k")`, `"of a"`},
		{"b", `deleteCache("k")`, ""},
		{"a", `return getCache("k")`, `"of a"`},
	}
	for _, s := range steps {
		got, err := newHost(cache, s.namespace).Eval(t, s.code)
		if err != nil || got != s.want {
			t.Errorf("%s: %s: %s, %v, want %s", s.namespace, s.code, got, err, s.want)
		}
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := newHost(storage.New(), "ns").Eval(t, `
			const later = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
			setCache("short", 1, { ttl: 0.5 });
			setCache("long", 2, { ttl: 3600 });
			setCache("kept", 3);
			const seen = () => ["short", "long", "kept"].map(getCache);
			const all = [];
			for (const pause of [0.4, 0.1, 3599, 1]) { await later(pause); all.push(seen()); }
			return all`)
		if want := `[[1,2,3],[null,2,3],[null,2,3],[null,null,3]]`; err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	})
}

func TestNowhere(t *testing.T) {
	newHost(storage.New(), "").Run(t, map[string]hosttest.Case{
		"no namespace": {Code: `getCache("k")`, Err: `TypeError: getCache is not available: this script belongs to no namespace`},
	})
	got := newHost(storage.New(), "ns").Load(t, `const known = getCache("k")`)
	if want := `TypeError: getCache is not available while a module is being loaded: call it in a hook`; got != want {
		t.Errorf("loading: got %s, want %s", got, want)
	}
}
