package resource

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeyOfEveryKind(t *testing.T) {
	for _, k := range All {
		var values []string
		for _, f := range k.KeyFields() {
			if _, ok := k.FieldByName(f); !ok {
				t.Errorf("%s: key field %s is not a field", k.Name, f)
			}
			values = append(values, "x-"+f)
		}
		key := k.KeyOf(values...)
		if key.Kind != k.Name {
			t.Errorf("%s: key is of kind %q", k.Name, key.Kind)
		}
		if diff := cmp.Diff(values, k.KeyValues(key)); diff != "" {
			t.Errorf("%s: values (-want +got):\n%s", k.Name, diff)
		}
	}
}

func TestCheckKey(t *testing.T) {
	tests := map[string]struct {
		key  Key
		want string
	}{
		"in a namespace":          {key: Key{Kind: "service", Namespace: "a", Name: "b"}},
		"global":                  {key: Key{Kind: "namespace", Name: "b"}},
		"a slash":                 {key: Key{Kind: "service", Namespace: "a", Name: "b/c"}, want: "name may only have ASCII letters, digits, '.', '_' and '-'"},
		"up":                      {key: Key{Kind: "service", Namespace: "..", Name: "b"}, want: "namespace must begin with a letter or a digit"},
		"no namespace":            {key: Key{Kind: "service", Name: "b"}, want: "namespace is required"},
		"an id with anything":     {key: MustKind("document").KeyOf("n", "c", "a/b?c=d é #..")},
		"an id that is a path":    {key: MustKind("document").KeyOf("n", "c", ".."), want: "id must not be . or .., which are taken out of paths on the way"},
		"an id with a line feed":  {key: MustKind("document").KeyOf("n", "c", "a\nb"), want: "id must not have control characters"},
		"an id that is too long":  {key: MustKind("document").KeyOf("n", "c", strings.Repeat("x", 257)), want: "id must not be longer than 256 bytes"},
		"an id of broken bytes":   {key: MustKind("document").KeyOf("n", "c", "\xff"), want: "id must be valid UTF-8"},
		"a document of nothing":   {key: MustKind("document").KeyOf("n", "", ""), want: "collection is required; id is required"},
		"a slash in a collection": {key: MustKind("document").KeyOf("n", "c/d", "e"), want: "collection is required"},
		"nothing of a thing":      {key: Key{Kind: "namespace"}, want: "name is required"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := MustKind(tt.key.Kind).CheckKey(tt.key); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("CheckKey = %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzDocumentKey: what identifies a document can be taken apart again, and a key that may be
// looked up is that of one document only.
func FuzzDocumentKey(f *testing.F) {
	f.Add("n", "c", "a/b")
	f.Add("n", "c/d", "e")
	f.Add("n", "", "/")
	f.Add("n", "c", "\x00")
	kind := MustKind("document")
	f.Fuzz(func(t *testing.T, namespace, collection, id string) {
		key := kind.KeyOf(namespace, collection, id)
		if kind.CheckKey(key) != nil {
			return
		}
		if diff := cmp.Diff([]string{namespace, collection, id}, kind.KeyValues(key)); diff != "" {
			t.Errorf("values (-want +got):\n%s", diff)
		}
		doc, err := NewDocument(key, []byte("1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := doc.Validate(); err != nil || doc.Key() != key || doc.ID != id {
			t.Errorf("document %+v, %v", doc, err)
		}
		if strings.ContainsRune(key.Name, 0) {
			t.Errorf("a zero byte, which separates keys in the store: %q", key.Name)
		}
	})
}
