package adminext

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// nodePaths are the endpoints that are not about the resources of one kind.
var nodePaths = []struct {
	path    []string
	methods methods
}{
	{nil, methods{http.MethodGet: {run: banner}}},
	{[]string{"healthz"}, methods{http.MethodGet: {run: healthz, alive: true}}},
	{[]string{"health"}, methods{http.MethodGet: {run: healthz, alive: true}}},
	{[]string{"readyz"}, methods{http.MethodGet: {run: readyz, alive: true}}},
	{[]string{"api", "v1", "apply"}, methods{http.MethodPost: {run: apply}}},
	{[]string{"metrics"}, methods{http.MethodGet: {run: metrics, alive: true}}},
	{[]string{"changelog"}, methods{http.MethodGet: {run: changelog}}},
	{[]string{"cluster", "status"}, methods{http.MethodGet: {run: clusterStatus}}},
	{[]string{"cluster", "members"}, methods{http.MethodGet: {run: clusterMembers}}},
	{[]string{"cluster", "snapshot"}, methods{http.MethodPost: {run: clusterSnapshot}}},
	{[]string{"cluster", "join"}, methods{http.MethodPost: {run: clusterJoin}}},
	{[]string{"cluster", "leave"}, methods{http.MethodPost: {run: clusterLeave}}},
	{[]string{"cluster", "remove"}, methods{http.MethodPost: {run: clusterRemove}}},
	{[]string{"cluster", "transfer"}, methods{http.MethodPost: {run: clusterTransfer}}},
	{[]string{"cluster", "recover"}, methods{http.MethodPost: {run: clusterRecover}}},
	{[]string{"cluster", "token"}, methods{http.MethodGet: {run: clusterToken}}},
	{[]string{"cluster", "backup"}, methods{http.MethodGet: {run: clusterBackup}}},
	{[]string{"cluster", "restore"}, methods{http.MethodPost: {run: clusterRestore}}},
}

// edge is the role of a node that never votes.
const edge = "edge"

// banner says who is here.
func banner(c *call) (*reply, error) {
	status, err := c.app.Status(c.r.Context())
	if err != nil {
		return nil, err
	}
	rep := textReply(http.StatusOK, "DGate Admin API")
	rep.header.Set("X-DGate-WatchOnly", strconv.FormatBool(status.Role == edge))
	rep.header.Set("X-DGate-ChangeHash", decimalHash(c.db.Hash()))
	rep.header.Set("X-DGate-Raft-State", title(status.Role))
	return rep, nil
}

// decimalHash is the beginning of a hash as the original DGate wrote its own: a decimal number.
func decimalHash(hash string) string {
	n, _ := strconv.ParseUint(hash[:min(len(hash), 16)], 16, 64)
	return strconv.FormatUint(n, 10)
}

// title is a role in the spelling of raft: "Leader".
func title(role string) string {
	if role == "" {
		return ""
	}
	return strings.ToUpper(role[:1]) + role[1:]
}

// health is the body of the health checks. The members are sorted.
type health struct {
	Error   string `json:"error,omitempty"`
	Status  string `json:"status"`
	Version string `json:"version,omitempty"`
}

// healthz says that the process is there.
func healthz(c *call) (*reply, error) {
	return jsonReply(http.StatusOK, health{Status: "ok", Version: c.app.Version()}), nil
}

// readyWait bounds how long a readiness check waits for the app to become ready.
const readyWait = time.Second

// readyz says whether the node can serve requests. It opens the store, and reports an error in
// doing so as not being ready.
func readyz(c *call) (*reply, error) {
	if err := c.open(); err != nil {
		return c.notReady(err), nil
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), readyWait)
	defer cancel()
	status, err := c.app.Status(ctx)
	if err != nil {
		return c.notReady(err), nil
	}
	err = c.app.Ready(ctx)
	if err == nil && status.Leader == "" {
		err = resource.Errorf(resource.NoLeader, "")
	}
	rep := jsonReply(http.StatusOK, health{Status: "ok", Version: c.app.Version()})
	if err != nil {
		rep = c.notReady(err)
	}
	rep.header.Set("X-Raft-State", title(status.Role))
	rep.header.Set("X-Raft-Leader", status.leaderAddress())
	return rep, nil
}

// StorageError is what [App.Ready] answers while the node cannot read or write its storage. It
// routes as before and takes no changes. The text is shown to clients.
type StorageError string

func (e StorageError) Error() string { return string(e) }

// noLeader is the status of a node that knows no leader, in the words of the original DGate.
const noLeader = "no leader"

// notReady has the words of the original DGate, and our reason if it may be told.
func (c *call) notReady(err error) *reply {
	body := health{Status: "not ready"}
	failed, storage := errors.AsType[StorageError](err)
	switch code := resource.CodeOf(err); {
	case storage:
		body.Status, body.Error = "storage failed", failed.Error()
	case code == resource.NoLeader:
		body.Status = noLeader
		if text := err.Error(); text != noLeader {
			body.Error = text
		}
	case code == resource.Internal: // asked every few seconds, it would fill the log at a higher level
		c.log.Debug("not ready", zap.Error(err))
	default:
		body.Error = err.Error()
	}
	rep := jsonReply(http.StatusServiceUnavailable, body)
	rep.header.Set("Retry-After", retryAfter)
	return rep
}

// leaderAddress is where the leader is, or who it is where it has no address.
func (s Status) leaderAddress() string { return cmp.Or(s.LeaderAddress, s.Leader) }

// changelog tells how many changes there were. It has no envelope.
func changelog(c *call) (*reply, error) {
	log := c.db.Changelog()
	return jsonReply(http.StatusOK, struct {
		Count  uint64 `json:"count"`
		Hash   string `json:"hash"`
		Latest string `json:"latest"`
	}{log.Count, log.Hash, log.Latest}), nil
}
