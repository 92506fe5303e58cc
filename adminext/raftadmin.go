package adminext

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// raftAdmin are the commands that the original DGate had below /raftadmin/, by name. Scripts of
// operators use them. Any node answers: what only the leader can do is handed on to it.
var raftAdmin = map[string]func(*call, raftRequest) (*reply, error){
	"AddVoter":                   addServer,
	"AddNonvoter":                addServer,
	"DemoteVoter":                demoteVoter,
	"RemoveServer":               removeServer,
	"LeadershipTransfer":         transferLead,
	"LeadershipTransferToServer": transferLead,
	"VerifyLeader":               raftBarrier,
	"Barrier":                    raftBarrier,
	"Snapshot":                   raftSnapshot,
	"Shutdown":                   raftShutdown,
	"GetConfiguration":           raftConfiguration,
	"State":                      raftState,
	"Leader":                     raftLeader,
	"LastIndex":                  raftLastIndex,
	"AppliedIndex":               raftAppliedIndex,
	"LastContact":                raftLastContact,
	"Stats":                      raftStats,
	"stats":                      raftStats,
	"readyz":                     raftReady,
}

// raftChanges are those that change something, which a page or a crawler must not be able to ask for.
var raftChanges = []string{
	"AddVoter", "AddNonvoter", "DemoteVoter", "RemoveServer", "LeadershipTransfer", "LeadershipTransferToServer", "Snapshot", "Shutdown",
}

// raftRequest is the body of these commands.
type raftRequest struct {
	ID        string `json:"id"`
	Address   string `json:"address"`
	PrevIndex uint64 `json:"prev_index"`
}

// runRaftAdmin runs the command that is the last segment of the path.
func runRaftAdmin(c *call) (*reply, error) {
	run, ok := raftAdmin[c.key[0]]
	if !ok {
		return nil, resource.Errorf(resource.BadRequest, "unknown command %q; there are %s", c.key[0], strings.Join(slices.Sorted(maps.Keys(raftAdmin)), ", "))
	}
	if c.r.Method != http.MethodPost && slices.Contains(raftChanges, c.key[0]) {
		return nil, &methodError{allow: http.MethodPost}
	}
	var request raftRequest
	if c.r.Method == http.MethodPost {
		data, err := readUpTo(maxRequest, "", c.w, c.r)
		if err != nil {
			return nil, err
		}
		if len(data) > 0 {
			if err := json.Unmarshal(data, &request); err != nil {
				return nil, resource.Errorf(resource.BadRequest, `the body must be JSON such as {"id": "…", "address": "…"}`)
			}
		}
	}
	return run(c, request)
}

// raftDone is the answer to a command that changes something.
func (c *call) raftDone(err error) (*reply, error) {
	if err != nil {
		return nil, clash(err)
	}
	c.index = c.app.Index()
	rep := jsonReply(http.StatusAccepted, struct {
		Index uint64 `json:"index"`
		Error string `json:"error"`
	}{c.index, ""})
	rep.header.Set("X-Raft-Index", strconv.FormatUint(c.index, 10))
	return rep, nil
}

// addServer accepts servers that are members already. Others come by themselves.
func addServer(c *call, request raftRequest) (*reply, error) {
	members, err := c.members()
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.ID == request.ID && (request.Address == "" || m.Address == request.Address) {
			return c.raftDone(nil)
		}
	}
	return nil, resource.Errorf(resource.BadRequest, "servers are not added from here: a node joins when the cluster block of its Caddyfile has join with the address of a member, "+
		"and gets a vote by itself unless it has role edge")
}

func demoteVoter(*call, raftRequest) (*reply, error) {
	return nil, resource.Errorf(resource.BadRequest, "a node gives its vote up when the cluster block of its Caddyfile has role edge, at the next reload")
}

func removeServer(c *call, request raftRequest) (*reply, error) {
	if _, err := c.removeMember(request.ID, false); err != nil {
		return nil, err
	}
	return c.raftDone(nil)
}

func transferLead(c *call, request raftRequest) (*reply, error) {
	return c.raftDone(c.app.Operations().Transfer(c.r.Context(), request.ID))
}

func raftBarrier(c *call, _ raftRequest) (*reply, error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), maxWait)
	defer cancel()
	return c.raftDone(c.app.Barrier(ctx))
}

func raftSnapshot(c *call, _ raftRequest) (*reply, error) {
	return c.raftDone(c.app.Snapshot(c.r.Context()))
}

func raftShutdown(*call, raftRequest) (*reply, error) {
	return nil, resource.Errorf(resource.BadRequest, "Caddy is stopped with caddy stop, or POST /stop at its admin endpoint")
}

func raftConfiguration(c *call, _ raftRequest) (*reply, error) {
	members, err := c.members()
	if err != nil {
		return nil, err
	}
	type server struct {
		Suffrage string `json:"suffrage"`
		ID       string `json:"id"`
		Address  string `json:"address"`
	}
	servers := []server{}
	for _, m := range members {
		suffrage := "nonvoter"
		if m.Role == "voter" {
			suffrage = "voter"
		}
		servers = append(servers, server{suffrage, m.ID, m.Address})
	}
	return jsonReply(http.StatusOK, struct {
		Servers []server `json:"servers"`
	}{servers}), nil
}

func raftState(c *call, _ raftRequest) (*reply, error) {
	status, err := c.app.Status(c.r.Context())
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, struct {
		Index uint64 `json:"index"`
		State string `json:"State"`
	}{0, status.Role}), nil
}

func raftLeader(c *call, _ raftRequest) (*reply, error) {
	status, err := c.app.Status(c.r.Context())
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, struct {
		ID      string `json:"id"`
		Address string `json:"address"`
	}{status.Leader, status.LeaderAddress}), nil
}

// indexReply is an answer that is only a number.
func indexReply(index uint64) *reply {
	return jsonReply(http.StatusOK, struct {
		Index uint64 `json:"index"`
	}{index})
}

func raftLastIndex(c *call, _ raftRequest) (*reply, error) {
	status, err := c.app.Status(c.r.Context())
	return indexReply(status.Index), err
}

func raftAppliedIndex(c *call, _ raftRequest) (*reply, error) {
	status, err := c.app.Status(c.r.Context())
	return indexReply(status.Applied), err
}

// raftLastContact answers how long ago the leader has heard of this node.
func raftLastContact(c *call, _ raftRequest) (*reply, error) {
	members, err := c.members()
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.Self {
			return jsonReply(http.StatusOK, struct {
				LastContact string `json:"lastContact"`
			}{m.LastContact.String()}), nil
		}
	}
	return nil, resource.Errorf(resource.NoLeader, "no leader")
}

func raftStats(c *call, _ raftRequest) (*reply, error) {
	status, err := c.fullStatus()
	if err != nil {
		return nil, err
	}
	stats := map[string]string{
		"applied_index":  strconv.FormatUint(status.Applied, 10),
		"commit_index":   strconv.FormatUint(status.Applied, 10),
		"last_log_index": strconv.FormatUint(status.Index, 10),
		"num_peers":      strconv.Itoa(max(0, len(status.Members)-1)),
		"state":          title(status.Role),
		"term":           strconv.FormatUint(status.Term, 10),
	}
	return jsonReply(http.StatusOK, struct {
		Stats map[string]string `json:"stats"`
	}{stats}), nil
}

func raftReady(c *call, _ raftRequest) (*reply, error) {
	status, err := c.app.Status(c.r.Context())
	if err != nil {
		return nil, err
	}
	ready, code := "ok", http.StatusOK
	if err := c.app.Ready(c.r.Context()); err != nil || status.Leader == "" {
		ready, code = "not ready", http.StatusServiceUnavailable
	}
	return dataReply(code, struct {
		Leader     string `json:"leader"`
		LeaderAddr string `json:"leader_addr"`
		ProxyReady bool   `json:"proxy_ready"`
		State      string `json:"state"`
		Status     string `json:"status"`
	}{status.Leader, status.LeaderAddress, code == http.StatusOK, title(status.Role), ready}, nil), nil
}

// memberPath and raftAdminPath tell the paths that end in a name of the node's own.
func memberPath(segments []string) bool {
	return len(segments) == 3 && has(segments[:2], "cluster", "members")
}

func raftAdminPath(segments []string) bool { return len(segments) == 2 && segments[0] == "raftadmin" }
