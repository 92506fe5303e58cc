package caddymodule

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// FuzzCaddyfile has everything of ours that reads a Caddyfile read anything. What is taken becomes
// JSON, and is taken from that again.
func FuzzCaddyfile(f *testing.F) {
	for _, seed := range []string{
		"dgate", "dgate {\n\tstorage memory\n\tdata_dir /tmp/x\n\ttags a b\n}", "dgate ns", "dgate x y",
		"dgate {\n\tlimits {\n\t\tcpu 100ms\n\t\theap 256MiB\n\t\tfetch public\n\t}\n\tresources ./dgate/*.yaml\n}",
		"dgate {\n\tglobal_headers {\n\t\tX-A b\n\t}\n\tallowed_domains *.a /x/ b.*\n\tdefault_namespace off\n}",
		"dgate_js a.ts b.ts {\n\tlimits {\n\t\tcpu 1ms\n\t}\n\tnamespace n\n\tenv A\n}", "dgate_admin {\n\ttoken {env.X}\n}",
		"dgate ns/svc", "dgate {\n\tencryption_key {env.K} \"\"\n}", "dgate {\n\tlimits\n}", "dgate {\n\t{\n", "dgate {\n\tnamespace {http.request.host.labels.2}\n\tdebug\n}",
	} {
		f.Add(seed)
	}
	var ours []caddy.ModuleInfo
	for _, id := range []string{"dgate", "http.handlers.dgate", "http.handlers.dgate_js", "http.handlers.dgate_admin", "http.reverse_proxy.upstreams.dgate"} {
		info, err := caddy.GetModule(id)
		if err != nil {
			f.Fatal(err)
		}
		ours = append(ours, info)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := caddyfile.Tokenize([]byte(text), "Caddyfile")
		if err != nil {
			return
		}
		for _, info := range ours {
			module := info.New()
			if module.(caddyfile.Unmarshaler).UnmarshalCaddyfile(caddyfile.NewDispenser(tokens)) != nil {
				continue
			}
			data, err := json.Marshal(module)
			if err != nil {
				t.Fatalf("%s of %q: %v", info.ID, text, err)
			}
			if err := caddy.StrictUnmarshalJSON(data, info.New()); err != nil {
				t.Errorf("%s of %q: %s: %v", info.ID, text, data, err)
			}
		}
	})
}
