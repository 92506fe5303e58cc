package adminext_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/adminext/admintest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func TestHealth(t *testing.T) {
	tests := map[string]struct {
		path   string
		app    func(*admintest.App)
		status int
		body   string
	}{
		"alive":                 {"healthz", nil, 200, `{"status":"ok","version":"dev"}`},
		"alive, as v2":          {"health", nil, 200, `{"status":"ok","version":"dev"}`},
		"alive, whatever":       {"healthz", func(a *admintest.App) { a.OpenError, a.ReadyError = errors.New("x"), errors.New("y") }, 200, `{"status":"ok","version":"dev"}`},
		"ready":                 {"readyz", nil, 200, `{"status":"ok","version":"dev"}`},
		"not ready":             {"readyz", func(a *admintest.App) { a.ReadyError = errors.New("the disk has a secret name") }, 503, `{"status":"not ready"}`},
		"not ready, and why":    {"readyz", func(a *admintest.App) { a.ReadyError = resource.Errorf(resource.Overloaded, "catching up") }, 503, `{"error":"catching up","status":"not ready"}`},
		"no store":              {"readyz", func(a *admintest.App) { a.OpenError = errors.New("locked") }, 503, `{"status":"not ready"}`},
		"no leader":             {"readyz", func(a *admintest.App) { a.ReadyError = resource.Errorf(resource.NoLeader, "no leader") }, 503, `{"status":"no leader"}`},
		"no leader, and why":    {"readyz", func(a *admintest.App) { a.ReadyError = resource.Errorf(resource.NoLeader, "they are elsewhere") }, 503, `{"error":"they are elsewhere","status":"no leader"}`},
		"storage fails":         {"readyz", func(a *admintest.App) { a.ReadyError = adminext.StorageError("no space left") }, 503, `{"error":"no space left","status":"storage failed"}`},
		"nobody knows a leader": {"readyz", func(a *admintest.App) { a.Leaderless = true }, 503, `{"status":"no leader"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			if tt.app != nil {
				tt.app(s.App)
			}
			got := s.send(t, "GET", "/dgate/"+tt.path, "")
			if got.status != tt.status || got.body != tt.body {
				t.Errorf("%d %s, want %d %s", got.status, got.body, tt.status, tt.body)
			}
		})
	}
}

func TestBanner(t *testing.T) {
	s := newServer(t)
	for _, path := range []string{"/dgate", "/dgate/"} {
		got := s.send(t, "GET", path, "")
		if got.status != 200 || got.body != "DGate Admin API" || got.header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %d %q %q", path, got.status, got.body, got.header.Get("Content-Type"))
		}
		if got.header.Get("X-Dgate-Watchonly") != "false" || got.header.Get("X-Dgate-Raft-State") != "Leader" {
			t.Errorf("%s: headers %v", path, got.header)
		}
		var hash json.Number
		if err := json.Unmarshal([]byte(got.header.Get("X-Dgate-Changehash")), &hash); err != nil {
			t.Errorf("%s: X-DGate-ChangeHash: %v", path, err)
		}
	}
}

func TestReadyNamesTheLeader(t *testing.T) {
	got := newServer(t).send(t, "GET", "/dgate/readyz", "")
	if got.header.Get("X-Raft-State") != "Leader" || got.header.Get("X-Raft-Leader") != "n1" {
		t.Errorf("headers: %v", got.header)
	}
}

func TestChangelog(t *testing.T) {
	type log struct {
		Count        int
		Hash, Latest string
	}
	s := newServer(t)
	read := func() (l log) {
		if err := json.Unmarshal([]byte(s.send(t, "GET", "/dgate/changelog", "").body), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	before := read()
	s.setUp(t, `PUT /dgate/api/v1/namespace {"name":"a"}`)
	after := read()
	if after.Count != before.Count+1 || after.Hash == before.Hash || after.Latest == before.Latest {
		t.Errorf("before %+v, after %+v", before, after)
	}
	s.setUp(t, `PUT /dgate/api/v1/namespace {"name":"a"}`) // the same: nothing changed
	if diff := cmp.Diff(after, read()); diff != "" {
		t.Errorf("an identical put (-before +after):\n%s", diff)
	}
}

func TestCluster(t *testing.T) {
	s := newServer(t)
	var status struct {
		Data adminext.Status
		Code int `json:"status_code"`
	}
	if err := json.Unmarshal([]byte(s.send(t, "GET", "/dgate/cluster/status", "").body), &status); err != nil {
		t.Fatal(err)
	}
	if status.Code != 200 || status.Data.Role != "leader" || len(status.Data.Members) != 1 || status.Data.Applied != s.Index() {
		t.Errorf("status: %+v", status)
	}
	got := s.send(t, "GET", "/dgate/cluster/members", "")
	want := `{"count":1,"data":[{"id":"n1","name":"test","address":"","role":"voter","leader":true,"self":true,"reachable":true,"version":"dev","applied":0,"lag":0,"hash":"","storage":"ok"}],"status_code":200}`
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if got := s.send(t, "POST", "/dgate/cluster/snapshot", ""); got.status != 200 {
		t.Errorf("snapshot: %d %s", got.status, got.body)
	}
}
