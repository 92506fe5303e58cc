package state

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// TestMistakes also holds that Check answers what Apply answers.
func TestMistakes(t *testing.T) {
	// The store has: service s, module m, route r1 (GET /r1, service s, module m), service free.
	tests := map[string]struct {
		ops    []Op
		code   resource.Code
		text   string
		fields []string // "field: problem"
	}{
		"service of a route is missing": {
			ops:  []Op{put(t, route("r", "x", nil, get, "/r"))},
			code: resource.ValidationFailed, text: "service not found: x",
			fields: []string{"service: service not found: x"},
		},
		"all that is missing is told": {
			ops:  []Op{put(t, route("r", "x", []string{"m", "y", "z"}, get, "/r", "/r1"))},
			code: resource.ValidationFailed,
			text: "service not found: x; module not found: y; module not found: z; paths[1] GET /r1 is already claimed by route r1",
			fields: []string{
				"service: service not found: x", "modules[1]: module not found: y", "modules[2]: module not found: z",
				"paths[1]: GET /r1 is already claimed by route r1",
			},
		},
		"namespace is missing": {
			ops:  []Op{put(t, &resource.Service{Name: "s", Namespace: "n", URLs: []string{"http://a"}})},
			code: resource.ValidationFailed, text: "namespace not found: n",
			fields: []string{"namespace: namespace not found: n"},
		},
		"path is taken under another parameter name": {
			ops:  []Op{put(t, route("r2", "", nil, []string{"GET", "POST"}, "/u/{name}"))},
			code: resource.ValidationFailed, text: "paths[0] GET /u/{name}, POST /u/{name} are already claimed by route u",
			fields: []string{"paths[0]: GET /u/{name}, POST /u/{name} are already claimed by route u"},
		},
		"service is linked":   {ops: []Op{del("service", "s")}, code: resource.InUse, text: "cannot delete service: s: routes still linked"},
		"module is linked":    {ops: []Op{del("module", "m")}, code: resource.InUse, text: "cannot delete module: m: routes still linked"},
		"namespace is linked": {ops: []Op{del("namespace", "default")}, code: resource.InUse, text: "cannot delete namespace: default: routes still linked"},
		"service is absent":   {ops: []Op{del("service", "x")}, code: resource.NotFound, text: "service not found: x"},
		"namespace is absent": {ops: []Op{del("namespace", "x")}, code: resource.NotFound, text: "namespace not found: x"},
		"two mistakes in two operations": {
			ops:  []Op{del("service", "x"), del("module", "m")},
			code: resource.NotFound,
			text: "service default/x: service not found: x; module default/m: cannot delete module: m: routes still linked",
		},
		"create only": {
			ops:  []Op{put(t, service("s", "http://b"), Condition{Mode: Absent})},
			code: resource.PreconditionFailed, text: "service exists already: s",
		},
		"replace only": {
			ops:  []Op{put(t, service("x", "http://b"), Condition{Mode: Present})},
			code: resource.PreconditionFailed, text: "service does not exist: x",
		},
		"another version": {
			ops:  []Op{put(t, service("s", "http://b"), Condition{Mode: AtVersion, Version: 99})},
			code: resource.PreconditionFailed, text: "service s is at version 2, not 99",
		},
		"delete of another version": {
			ops:  []Op{Delete(key("service", "free"), Condition{Mode: AtVersion, Version: 99})},
			code: resource.PreconditionFailed, text: "service free is at version 2, not 99",
		},
		"delete of what is absent at a version": {
			ops:  []Op{Delete(key("service", "x"), Condition{Mode: AtVersion, Version: 99})},
			code: resource.PreconditionFailed, text: "service does not exist: x",
		},
		"second operation sees the first": {
			ops:  []Op{put(t, service("x", "http://b")), put(t, service("x", "http://c"), Condition{Mode: Absent})},
			code: resource.PreconditionFailed, text: "service default/x: service exists already: x",
		},
		"two of one command claim the same": {
			ops:  []Op{put(t, route("a", "", nil, get, "/a")), put(t, route("b", "", nil, get, "/a"))},
			code: resource.ValidationFailed, text: "route default/b: paths[0] GET /a is already claimed by route a",
			fields: []string{"paths[0]: GET /a is already claimed by route a"},
		},
		"new path of a route that keeps its old ones": {
			ops: []Op{put(t, route("r1", "s", []string{"m"}, get, "/r1", "/r1b"))},
		},
		"service goes with its routes": {ops: []Op{del("service", "s"), del("route", "r1")}},
		"routes swap their paths": {
			ops: []Op{put(t, route("r1", "", nil, get, "/u/{id}")), put(t, route("u", "", nil, get, "/r1"))},
		},
		"reference to what comes later": {
			ops: []Op{put(t, route("r", "x", nil, get, "/r")), put(t, service("x", "http://b"))},
		},
		"namespace goes with everything": {
			ops: []Op{
				del("namespace", "default"), del("route", "r1"), del("route", "u"), del("module", "m"),
				del("service", "s"), del("service", "free"),
			},
		},
		"everything but a service goes": {
			ops: []Op{
				del("namespace", "default"), del("route", "r1"), del("route", "u"), del("module", "m"), del("service", "free"),
			},
			code: resource.InUse, text: "namespace default: cannot delete namespace: default: services still linked",
		},
		"target goes and the source is put anew": {
			ops:  []Op{del("service", "s"), put(t, route("r1", "s", nil, get, "/other"))},
			code: resource.InUse, text: "service default/s: cannot delete service: s: routes still linked",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.must(
				put(t, service("s", "http://a")), put(t, service("free", "http://a")), put(t, module("m", "1")),
				put(t, route("r1", "s", []string{"m"}, get, "/r1")),
				put(t, route("u", "", nil, []string{"*"}, "/u/{id}")),
			)
			hash := s.Hash()
			checked := s.Check(tt.ops)
			outcome := s.apply(tt.ops...)
			if diff := cmp.Diff(describe(checked), describe(outcome.Err)); diff != "" {
				t.Errorf("Apply and Check disagree (-check +apply):\n%s", diff)
			}
			if tt.code == "" {
				if outcome.Err != nil {
					t.Errorf("refused: %v", outcome.Err)
				}
				return
			}
			if outcome.Err == nil {
				t.Fatal("accepted")
			}
			if code := resource.CodeOf(outcome.Err); code != tt.code {
				t.Errorf("code %s, want %s", code, tt.code)
			}
			if diff := cmp.Diff(tt.text, outcome.Err.Error()); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			var fields []string
			for _, f := range resource.FieldErrors(outcome.Err) {
				fields = append(fields, f.Field+": "+f.Problem)
			}
			if diff := cmp.Diff(tt.fields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if s.Hash() != hash {
				t.Error("a refused command changed the state")
			}
		})
	}
}

// describe is an error as clients see it.
func describe(err error) string {
	if err == nil {
		return ""
	}
	text := string(resource.CodeOf(err)) + ": " + err.Error()
	for _, f := range resource.FieldErrors(err) {
		text += "\n" + f.Field + "|" + f.Problem + "|" + f.Value
	}
	return text
}

func TestPutTwice(t *testing.T) {
	s := open(t)
	first := s.must(put(t, service("s", "http://a")))
	if r := first.Results[0]; !r.Created || !r.Changed || r.Version != first.Index {
		t.Errorf("first put: %+v", r)
	}
	hash, log := s.Hash(), s.Changelog()
	same := s.must(put(t, service("s", "http://a")))
	if r := same.Results[0]; r.Created || r.Changed || r.Version != first.Index || !r.UpdatedAt.Equal(first.Results[0].UpdatedAt) {
		t.Errorf("identical put: %+v", r)
	}
	if s.Hash() != hash || s.Changelog() != log {
		t.Error("an identical put changed the hash or the changelog")
	}
	other := s.must(put(t, service("s", "http://b"), Condition{Mode: AtVersion, Version: first.Index}))
	r := other.Results[0]
	if r.Created || !r.Changed || r.Version != other.Index || !r.CreatedAt.Equal(first.Results[0].CreatedAt) || !r.UpdatedAt.After(r.CreatedAt) {
		t.Errorf("second put: %+v", r)
	}
	rec, ok := s.get(key("service", "s"))
	if !ok {
		t.Fatal("not stored")
	}
	if diff := cmp.Diff(r.Record, rec); diff != "" {
		t.Errorf("result and record (-result +record):\n%s", diff)
	}
	obj, err := rec.Object()
	if err != nil {
		t.Fatal(err)
	}
	if svc := obj.(*resource.Service); svc.URLs[0] != "http://b" || svc.Version != other.Index {
		t.Errorf("object: %+v", svc)
	}
	if got := s.Changelog(); got.Count != 3 || got.LatestIndex != other.Index {
		t.Errorf("changelog: %+v", got)
	}
}
