package resource

import (
	"strings"
	"testing"
)

func BenchmarkCheck(b *testing.B) {
	c := collection(`{"type":"object","required":["items"],"properties":{"items":{"type":"array","items":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"name":{"type":"string","pattern":"^[a-z ]+$"}}}}}}`)
	for name, items := range map[string]int{"small": 1, "10 KB": 300} {
		doc := document(`{"items":[` + strings.Repeat(`{"id":12345,"name":"some body"},`, items) + `{"id":1}]}`)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Check(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("compile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := compileSchema(c.Schema); err != nil {
				b.Fatal(err)
			}
		}
	})
}
