package adminext_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/adminext/admintest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// three are the members of a cluster of three, of which the first leads.
func three(a *admintest.App) {
	a.Others.List = nil
	for _, id := range []string{"n1", "n2", "n3"} {
		a.Others.List = append(a.Others.List, adminext.Member{
			ID: id, Name: "name-" + id, Address: id + ":7373", Role: "voter", Leader: id == "n1", Self: id == "n1",
			Reachable: true, Version: "dev", Storage: "ok",
		})
	}
}

func TestClusterOperations(t *testing.T) {
	tests := map[string]struct {
		method, path, body string
		change             func(*admintest.App)
		status             int
		call, text         string // what was asked of the cluster, and what the answer has
	}{
		"join":                            {"POST", "cluster/join", `{"addresses":["a:1","b:2"]}`, nil, 200, "join [a:1 b:2]", `"members"`},
		"join nobody":                     {"POST", "cluster/join", `{}`, nil, 400, "", "addresses must name"},
		"an unknown field":                {"POST", "cluster/join", `{"address":"a:1"}`, nil, 400, "", `unknown field \"address\"`},
		"leave":                           {"POST", "cluster/leave", "", nil, 200, "leave", `"members"`},
		"remove by id":                    {"POST", "cluster/remove", `{"id":"n2"}`, three, 200, "remove n2 force=false", ""},
		"remove by name, whatever":        {"POST", "cluster/remove", `{"id":"name-n3","force":true}`, three, 200, "remove n3 force=true", ""},
		"remove by address":               {"POST", "cluster/remove", `{"id":"n2:7373"}`, three, 200, "remove n2 force=false", ""},
		"remove as the Rust successor":    {"DELETE", "cluster/members/n2?force=true", "", three, 200, "remove n2 force=true", ""},
		"remove nobody":                   {"POST", "cluster/remove", "", three, 400, "", "id must name"},
		"remove a stranger":               {"POST", "cluster/remove", `{"id":"n9"}`, three, 404, "", "there are n1 (name-n1), n2 (name-n2), n3 (name-n3)"},
		"what would leave no majority":    {"POST", "cluster/remove", `{"id":"n2"}`, refusing(resource.Conflict, "no majority"), 409, "remove n2 force=false", "no majority"},
		"no leader":                       {"POST", "cluster/remove", `{"id":"n2"}`, refusing(resource.NoLeader, "no leader"), 503, "remove n2 force=false", "no leader"},
		"transfer to anybody":             {"POST", "cluster/transfer", "", three, 200, `transfer to ""`, ""},
		"transfer to a name":              {"POST", "cluster/transfer", `{"id":"name-n2"}`, three, 200, `transfer to "n2"`, ""},
		"recover without meaning it":      {"POST", "cluster/recover", "", nil, 400, "", "for good"},
		"recover":                         {"POST", "cluster/recover", `{"yes":true,"lastIndex":7}`, nil, 200, "recover 7", ""},
		"backup":                          {"GET", "cluster/backup", "", func(a *admintest.App) { a.Others.Data = "all of it" }, 200, "backup", "all of it"},
		"backup that cannot be":           {"GET", "cluster/backup", "", refusing(resource.Overloaded, "too busy"), 503, "backup", "too busy"},
		"restore":                         {"POST", "cluster/restore", "all of it", nil, 200, "restore", `"members"`},
		"restore that cannot be":          {"POST", "cluster/restore", "half of it", refusing(resource.ValidationFailed, "it has no end"), 400, "restore", "it has no end"},
		"a method that is not there":      {"GET", "cluster/join", "", nil, 405, "", "method not allowed"},
		"v1: configuration":               {"POST", "raftadmin/GetConfiguration", "{}", three, 200, "", `{"suffrage":"voter","id":"n1","address":"n1:7373"}`},
		"v1: state":                       {"POST", "raftadmin/State", "", three, 200, "", `{"index":0,"State":"leader"}`},
		"v1: leader":                      {"GET", "raftadmin/Leader", "", three, 200, "", `{"id":"n1","address":""}`},
		"v1: stats":                       {"GET", "raftadmin/stats", "", three, 200, "", `"num_peers":"2"`},
		"v1: readyz":                      {"GET", "raftadmin/readyz", "", three, 200, "", `"status":"ok"`},
		"v1: remove":                      {"POST", "raftadmin/RemoveServer", `{"id":"n2","prev_index":0}`, three, 202, "remove n2 force=false", `"error":""`},
		"v1: transfer":                    {"POST", "raftadmin/LeadershipTransferToServer", `{"id":"n2","address":"n2:7373"}`, three, 202, `transfer to "n2"`, ""},
		"v1: barrier":                     {"POST", "raftadmin/Barrier", "", three, 202, "", `"index"`},
		"v1: snapshot":                    {"POST", "raftadmin/Snapshot", "", three, 202, "", `"index"`},
		"v1: a member is added again":     {"POST", "raftadmin/AddVoter", `{"id":"n2","address":"n2:7373"}`, three, 202, "", ""},
		"v1: servers add themselves":      {"POST", "raftadmin/AddVoter", `{"id":"n4","address":"n4:7373"}`, three, 400, "", "has join with the address of a member"},
		"v1: what there is not":           {"POST", "raftadmin/Explode", "", three, 400, "", `unknown command \"Explode\"`},
		"v1: the process is not ours":     {"POST", "raftadmin/Shutdown", "", three, 400, "", "caddy stop"},
		"v1: a GET changes nothing":       {"GET", "raftadmin/LeadershipTransfer", "", three, 405, "", "method not allowed; this path has POST"},
		"token":                           {"GET", "cluster/token", "", func(a *admintest.App) { a.Others.TokenText = "dgate1:x" }, 200, "token", `{"token":"dgate1:x"}`},
		"token without a secret to be in": {"GET", "cluster/token", "", refusing(resource.Conflict, "no cluster secret"), 409, "token", "no cluster secret"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			if tt.change != nil {
				tt.change(s.App)
			}
			got := s.send(t, tt.method, "/dgate/"+tt.path, tt.body)
			if got.status != tt.status || !strings.Contains(got.body, tt.text) {
				t.Errorf("%d %s, want %d with %s", got.status, got.body, tt.status, tt.text)
			}
			if calls := strings.Join(s.Others.Calls, "; "); calls != tt.call {
				t.Errorf("asked for %q, want %q", calls, tt.call)
			}
			if got.header.Get("X-Dgate-Index") == "" {
				t.Error("the answer has no X-DGate-Index")
			}
		})
	}
}

// refusing makes the cluster of three answer with an error.
func refusing(code resource.Code, text string) func(*admintest.App) {
	return func(a *admintest.App) {
		three(a)
		a.Others.Err = resource.Errorf(code, "%s", text)
	}
}

func TestTokenIsNotForStrangers(t *testing.T) {
	s := newServer(t, func(a *admintest.App) { a.Others.TokenText = "dgate1:x:a-secret:b" })
	got := s.send(t, "GET", "/dgate/cluster/token", "", "X-Forwarded-For", "203.0.113.7")
	if got.status != 403 || strings.Contains(got.body, "a-secret") || len(s.Others.Calls) != 0 {
		t.Errorf("through a proxy: %d %s", got.status, got.body)
	}
	for method, path := range map[string]string{"GET": "backup", "POST": "restore"} {
		if got := s.send(t, method, "/dgate/cluster/"+path, "", "X-Forwarded-For", "203.0.113.7"); got.status != 403 || len(s.Others.Calls) != 0 {
			t.Errorf("%s through a proxy: %d %s", path, got.status, got.body)
		}
	}
	got = s.send(t, "GET", "/dgate/cluster/token", "")
	if got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", got.header)
	}
	shown := 0
	for _, entry := range s.Logs.All() {
		if strings.Contains(entry.Message, "join token") {
			shown++
		}
		for _, field := range entry.Context {
			if strings.Contains(entry.Message+field.String, "a-secret") {
				t.Errorf("the log has the secret: %v", entry)
			}
		}
	}
	if shown != 2 {
		t.Errorf("the log tells of %d requests for the token, want 2", shown)
	}
}

func TestBackupBreaksOff(t *testing.T) {
	s := newServer(t, func(a *admintest.App) {
		a.Others.Data, a.Others.BreakOff, a.Others.Err = strings.Repeat("x", 1<<20), true, errors.New("the disk")
	})
	req := "/dgate/cluster/backup"
	resp, err := s.transport.RoundTrip(newRequest(t, "GET", s.url+req))
	if err != nil {
		return // it broke off before its beginning was sent
	}
	defer resp.Body.Close()
	buf := make([]byte, 4096)
	for err == nil {
		_, err = resp.Body.Read(buf)
	}
	if err.Error() == "EOF" {
		t.Error("half a backup came to a good end")
	}
}

func TestNext(t *testing.T) {
	member := func(m adminext.Member) adminext.Member {
		m.Storage, m.Role = "ok", "voter"
		return m
	}
	self := member(adminext.Member{ID: "a", Name: "one", Address: "10.0.0.1:7373", Self: true, Reachable: true, Leader: true})
	second := member(adminext.Member{ID: "b", Name: "two", Address: "10.0.0.2:7373", Reachable: true})
	gone := member(adminext.Member{ID: "c", Name: "three", Address: "10.0.0.3:7373"})
	alone := adminext.Status{Leader: "a", Members: []adminext.Member{self}}
	with := func(change func(*adminext.Status)) adminext.Status {
		s := adminext.Status{Leader: "a", Clustered: true, Members: []adminext.Member{self, second}}
		change(&s)
		return s
	}
	tests := map[string]struct {
		status adminext.Status
		want   []string // beginnings of what is to do
	}{
		"a node on its own":  {alone, []string{}},
		"one of one":         {with(func(s *adminext.Status) { s.Members = s.Members[:1] }), []string{"no node may fail: add two more voters"}},
		"two":                {with(func(*adminext.Status) {}), []string{"no node may fail: add one more voter (on it: the same cluster block with join 10.0.0.1:7373)"}},
		"three, one is gone": {with(func(s *adminext.Status) { s.Members = append(s.Members, gone) }), []string{"three (10.0.0.3:7373) is unreachable: start it, or if it is lost: dgate-cli cluster remove c"}},
		"no majority":        {with(func(s *adminext.Status) { s.Leader, s.Members = "", []adminext.Member{self, gone, gone} }), []string{"1 of 3 voters answer, and 2 must", "three", "three"}},
		"joining": {with(func(s *adminext.Status) {
			s.Leader, s.Joining = "", "this node is not part of a cluster yet: 10.0.0.9:7373: refused"
		}), []string{"this node is not part of a cluster yet: 10.0.0.9:7373: refused"}},
		"removed":      {with(func(s *adminext.Status) { s.Removed = true }), []string{"this node was removed from the cluster"}},
		"superseded":   {with(func(s *adminext.Status) { s.Superseded = true }), []string{"this node has the data directory of another one"}},
		"two versions": {with(func(s *adminext.Status) { s.Members[0].Version, s.Members[1].Version = "1", "2" }), []string{"the nodes run different versions", "no node may fail"}},
		"a spare": {with(func(s *adminext.Status) {
			third, spare := second, second
			third.ID, third.Name, spare.ID, spare.Name, spare.Role, spare.Problem = "c", "three", "d", "four", "nonvoter", "spare: 3 voters are enough"
			s.Members = append(s.Members, third, spare)
		}), []string{}},
		"two of a name": {with(func(s *adminext.Status) { s.Members[1].Name = "one" }), []string{"a, b are all called one: give each a node_name", "no node may fail"}},
		"another secret there": {with(func(s *adminext.Status) {
			third, other := second, gone
			third.ID, third.Name, other.Apart, other.Problem = "d", "four", "it has another secret (option secret)", "x"
			s.Members = append(s.Members, third, other)
		}), []string{"three (10.0.0.3:7373) is there and does not count: it has another secret (option secret); nobody is lost, so neither remove nor recover"}},
		"another secret here": {with(func(s *adminext.Status) {
			other := gone
			other.Apart, s.Leader, s.Apart = "they have another secret (option secret)", "", "server c: that"
			again := other
			again.Name = "two"
			s.Members = []adminext.Member{self, other, again}
		}), []string{"2 of the 2 other nodes are there and do not get on with this one, which is probably the one that differs: they have another secret (option secret); nobody is lost, so neither remove nor recover"}},
		"a disk elsewhere": {with(func(s *adminext.Status) { s.Members[1].Storage = "no space left" }), []string{"two (10.0.0.2:7373): its storage fails: no space left", "no node may fail"}},
		"a third is coming": {with(func(s *adminext.Status) {
			g := gone
			g.Role, g.Reachable, g.Problem = "nonvoter", true, "it catches up"
			s.Members = append(s.Members, g)
		}), []string{"three (10.0.0.3:7373): it catches up"}},
		"recovered without us": {with(func(s *adminext.Status) {
			there := gone
			there.ClusterID, s.ClusterID, s.Leader = "new", "old", ""
			s.Members = []adminext.Member{self, gone, there}
		}), []string{
			"another cluster was recovered: new; this node is in cluster old, which has no leader: decide which one is right",
			"if the OTHER cluster is the right one, empty THIS node's data_dir: stop Caddy here, delete what is in data_dir, and start it again with join 10.0.0.3:7373",
			"three (10.0.0.3:7373) is unreachable",
		}},
		"recovered beside us": {with(func(s *adminext.Status) {
			there := gone
			there.ClusterID, s.ClusterID = "new", "old"
			s.Members = append(s.Members, there)
		}), []string{
			"another cluster was recovered: new; this node is in cluster old, and both may take changes, which stay apart: decide",
			"if the OTHER cluster is the right one, empty THIS node's data_dir",
			"if THIS cluster is the right one: stop Caddy on three (10.0.0.3:7373), then dgate-cli cluster remove c here, then start it again with an empty data_dir and join 10.0.0.1:7373",
		}},
		"secrets are unusable": {with(func(s *adminext.Status) { s.Members, s.Secrets = append(s.Members, second), "no key fits" }), []string{"secrets cannot be read here: no key fits"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := adminext.Next(tt.status)
			for i := range got {
				if i < len(tt.want) && strings.HasPrefix(got[i], tt.want[i]) {
					got[i] = tt.want[i]
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStatusSaysWhatIsNext(t *testing.T) {
	s := newServer(t, three, func(a *admintest.App) { a.Others.List[2].Reachable = false })
	var body struct{ Data adminext.Status }
	if err := json.Unmarshal([]byte(s.send(t, "GET", "/dgate/cluster/status", "").body), &body); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(body.Data.Next, func(text string) bool { return strings.Contains(text, "cluster remove n3") }) {
		t.Errorf("next: %q", body.Data.Next)
	}
}
