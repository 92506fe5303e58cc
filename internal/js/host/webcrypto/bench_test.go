package webcrypto_test

import (
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/buffer"
	"github.com/dgate-io/caddy-dgate/internal/js/host/webcrypto"
)

// BenchmarkVerify checks a signature in a hook; the key was imported at the top level.
func BenchmarkVerify(b *testing.B) {
	for name, code := range map[string]string{
		"nothing": `const ready = null; const check = async () => true;`,
		"HMAC": `const alg = { name: "HMAC", hash: "SHA-256" }, data = Buffer.from("text"), sig = Buffer.alloc(32);
			const ready = crypto.subtle.importKey("raw", Buffer.from("key"), alg, false, ["verify"]); const check = (key) => crypto.subtle.verify(alg, key, sig, data);`,
		"ECDSA": `const alg = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }, data = Buffer.from("text"), sig = Buffer.alloc(64, 1);
			const ready = crypto.subtle.generateKey(alg, false, ["sign", "verify"]).then(pair => pair.publicKey); const check = (key) => crypto.subtle.verify(alg, key, sig, data);`,
	} {
		b.Run(name, func(b *testing.B) {
			engine := js.NewEngine(js.Options{Hooks: []string{"test"}, Globals: append(webcrypto.Globals(), buffer.Global())})
			src := js.Source{Name: "test", Code: []byte(code + "\nexport async function test() { return check(await ready) }")}
			program, err := engine.Compile(b.Context(), []js.Source{src}, js.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			pool := engine.NewPool(program, js.Limits{}, nil)
			defer pool.Close()
			b.ReportAllocs()
			for b.Loop() {
				vm, err := pool.Get(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				run := vm.Start(b.Context(), 0, b)
				if _, err := run.Wait(); err != nil {
					b.Fatal(err)
				}
				run.End()
				pool.Put(vm)
			}
		})
	}
}
