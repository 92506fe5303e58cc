package resource

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What clients are answered: the data of a document as it was sent, and never a secret.
func TestMarshal(t *testing.T) {
	tests := map[string]struct{ kind, json, want string }{
		"a document keeps digits and order": {
			"document", `{"data" : {"z": 12345678901234567890.10, "a" : "<\u00e9\u2028>"}, "id":"a/b", "collection":"c", "namespace":"n"}`,
			`{"id":"a/b","collection":"c","namespace":"n","data":{"z":12345678901234567890.10,"a":"<\u00e9\u2028>"}`,
		},
		"a document of null":    {"document", `{"id":"a","collection":"c","namespace":"n","data":null}`, `{"id":"a","collection":"c","namespace":"n","data":null`},
		"a collection":          {"collection", `{"name":"c","namespace":"n","schema": {"b": 1, "a": 2}}`, `{"name":"c","namespace":"n","schema":{"b":1,"a":2},"visibility":"private","type":"document"`},
		"a collection, no more": {"collection", `{"name":"c","namespace":"n"}`, `{"name":"c","namespace":"n","visibility":"private","type":"document"`},
		"a secret":              {"secret", `{"name":"s","namespace":"n","data":"hunter2","tags":["a"]}`, `{"name":"s","namespace":"n","data":"**redacted**","tags":["a"]`},
		"a domain":              {"domain", `{"name":"d","namespace":"n","patterns":["a.com"],"priority":-1,"tags":["a"]}`, `{"name":"d","namespace":"n","patterns":["a.com"],"priority":-1,"cert":"","key":"","tls":"auto","tags":["a"]`},
		"a domain with a key":   {"domain", `{"name":"d","namespace":"n","patterns":["a.com"],"cert":"c","key":"k","tls":"off"}`, `{"name":"d","namespace":"n","patterns":["a.com"],"priority":0,"cert":"c","key":"**redacted**","tls":"off"`},
		"a secret of nothing":   {"secret", `{"name":"s","namespace":"n"}`, `{"name":"s","namespace":"n","data":""`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			obj, err := Decode(MustKind(tt.kind), []byte(tt.json), Strict)
			if err != nil {
				t.Fatal(err)
			}
			_ = obj.Validate() // for its canonical form; not all of them are valid
			stored, err := Encode(obj)
			if err != nil {
				t.Fatal(err)
			}
			again, err := DecodeStored(MustKind(tt.kind), stored)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(obj, again); diff != "" {
				t.Errorf("stored and read (-want +got):\n%s", diff)
			}
			*again.Metadata() = Meta{CreatedAt: time.Unix(1, 0), UpdatedAt: time.Unix(2, 0), Version: 3}
			got, err := Marshal(again)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want + `,"createdAt":"1970-01-01T00:00:01Z","updatedAt":"1970-01-01T00:00:02Z","version":3}`
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretFields(t *testing.T) {
	s := &Secret{Name: "s", Namespace: "n", Data: "hunter2"}
	fields := SecretFields(s)
	if len(fields) != 1 || fields[0].Name != "data" || fields[0].Value != &s.Data {
		t.Errorf("secret fields: %v", fields)
	}
	twin := Clone(s)
	*SecretFields(twin)[0].Value = "other"
	if s.Data != "hunter2" {
		t.Error("the original changed with its clone")
	}
	with := []string{"domain", "secret"}
	for _, kind := range All {
		if has := len(SecretFields(kind.New())) > 0; has != slices.Contains(with, kind.Name) {
			t.Errorf("a %s has secret fields: %t", kind.Name, has)
		}
	}
}

func TestNewDocument(t *testing.T) {
	key := MustKind("document").KeyOf("n", "c", "a/b")
	tests := map[string]struct{ data, want string }{
		"an object":     {`{"a": 1}`, `{"id":"a/b","collection":"c","namespace":"n","data":{"a":1}}`},
		"null":          {`null`, `{"id":"a/b","collection":"c","namespace":"n","data":null}`},
		"white space":   {" 1\n", `{"id":"a/b","collection":"c","namespace":"n","data":1}`},
		"nothing":       {" ", "error unmarshalling body: it is empty; JSON is expected"},
		"two":           {"1 2", "error unmarshalling body: invalid character '2' after top-level value"},
		"not finished":  {`{"a":`, "error unmarshalling body: unexpected end of JSON input"},
		"not UTF-8":     {"\"\xff\"", "error unmarshalling body: it is not valid UTF-8"},
		"nested deeply": {strings.Repeat("[", 64) + strings.Repeat("]", 64), "error unmarshalling body: it is nested deeper than 63"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			doc, err := NewDocument(key, []byte(tt.data))
			if err != nil {
				got = err.Error()
				if CodeOf(err) != BadRequest {
					t.Errorf("code %s", CodeOf(err))
				}
			} else if data, err := Encode(doc); err == nil {
				got = string(data)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
