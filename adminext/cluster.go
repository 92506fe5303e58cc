package adminext

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Cluster is what the admin API can do with the cluster that the node is in, or could be in.
type Cluster interface {
	// Members are the nodes of the cluster, asked how they are. It takes about a second at most.
	Members(ctx context.Context) ([]Member, error)
	// Join makes this node a member of the cluster that has a member at one of the addresses.
	Join(ctx context.Context, addresses []string) error
	// Remove takes a member out. It refuses what would leave no majority, unless force is set.
	Remove(ctx context.Context, id string, force bool) error
	// Leave takes this node out.
	Leave(ctx context.Context) error
	// Transfer makes another member the leader, any that is up to date if none is named.
	Transfer(ctx context.Context, to string) error
	// Recover makes a new cluster of this node alone. If last is not 0 and the node's log ends
	// before it, it is refused.
	Recover(ctx context.Context, last uint64) error
	// Backup writes everything that users have stored.
	Backup(ctx context.Context, w io.Writer) error
	// Restore replaces everything that users have stored, on all nodes.
	Restore(ctx context.Context, r io.Reader) error
	// Token is what another node needs to join: a secret.
	Token(ctx context.Context) (string, error)
}

// maxRequest bounds the bodies of requests about the cluster.
const maxRequest = 64 << 10

// readRequest reads a body of JSON into to. An empty one changes nothing.
func (c *call) readRequest(to any) error {
	data, err := readUpTo(maxRequest, "", c.w, c.r)
	if err != nil || len(data) == 0 {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return resource.Errorf(resource.BadRequest, "the body is not what it must be: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func clusterStatus(c *call) (*reply, error) {
	status, err := c.fullStatus()
	if err != nil {
		return nil, err
	}
	return dataReply(http.StatusOK, status, nil), nil
}

// fullStatus asks the members too, and says what to do next.
func (c *call) fullStatus() (Status, error) {
	status, err := c.app.Status(c.r.Context())
	if err != nil {
		return Status{}, err
	}
	if status.Members, err = c.members(); err != nil {
		return Status{}, err
	}
	status.FaultTolerance = tolerance(status.Members)
	status.Next = next(status)
	return status, nil
}

func clusterSnapshot(c *call) (*reply, error) {
	if err := c.app.Snapshot(c.r.Context()); err != nil {
		return nil, err
	}
	return dataReply(http.StatusOK, struct {
		Applied uint64 `json:"applied"`
	}{c.db.Applied()}, nil), nil
}

func clusterJoin(c *call) (*reply, error) {
	var request struct {
		Addresses []string `json:"addresses"`
	}
	if err := c.readRequest(&request); err != nil {
		return nil, err
	}
	if len(request.Addresses) == 0 {
		return nil, resource.Errorf(resource.BadRequest, `addresses must name at least one member of the other cluster: {"addresses": ["10.0.0.1:7373"]}`)
	}
	c.audit("joins another cluster", zap.Strings("addresses", request.Addresses))
	return c.done(c.app.Operations().Join(c.r.Context(), request.Addresses))
}

func clusterLeave(c *call) (*reply, error) {
	if err := c.readRequest(&struct{}{}); err != nil {
		return nil, err
	}
	c.audit("leaves the cluster")
	return c.done(c.app.Operations().Leave(c.r.Context()))
}

func clusterTransfer(c *call) (*reply, error) {
	var request struct {
		ID string `json:"id"`
	}
	if err := c.readRequest(&request); err != nil {
		return nil, err
	}
	if request.ID != "" {
		var err error
		if request.ID, err = c.memberID(request.ID); err != nil {
			return nil, err
		}
	}
	c.audit("hands the lead over", zap.String("to", request.ID))
	err := c.app.Operations().Transfer(c.r.Context(), request.ID)
	if err == nil {
		c.awaitLeader()
	}
	return c.done(err)
}

const (
	transferWait = 2 * time.Second       // until who leads is known here
	transferPoll = 20 * time.Millisecond // there is nobody who tells
)

// awaitLeader waits until this node knows who leads, for a moment.
func (c *call) awaitLeader() {
	ctx, cancel := context.WithTimeout(c.r.Context(), transferWait)
	defer cancel()
	poll := time.NewTicker(transferPoll)
	defer poll.Stop()
	for {
		if status, err := c.app.Status(ctx); err != nil || status.Leader != "" {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return
		}
	}
}

func clusterRecover(c *call) (*reply, error) {
	var request struct {
		Yes       bool   `json:"yes"`
		LastIndex uint64 `json:"lastIndex"`
	}
	if err := c.readRequest(&request); err != nil {
		return nil, err
	}
	if !request.Yes {
		return nil, resource.Errorf(resource.BadRequest, "this makes a new cluster of this node alone, with all that is in its log, "+
			`and shuts the other members out for good. Make sure that they cannot start: a majority of them would go on as a second cluster. Send {"yes": true} if they are lost`)
	}
	c.audit("makes a new cluster of this node alone")
	return c.done(c.app.Operations().Recover(c.r.Context(), request.LastIndex))
}

// audit logs what somebody has asked for.
func (c *call) audit(what string, fields ...zap.Field) {
	c.log.Info("admin API: "+what, append(fields, zap.String("remote", c.r.RemoteAddr))...)
}

// done answers a change of the cluster with how the node is afterwards.
func (c *call) done(err error) (*reply, error) {
	if err != nil {
		return nil, clash(err)
	}
	status, err := c.app.Status(c.r.Context())
	if err != nil {
		return nil, err
	}
	status.Members, _ = c.members() // it has been done, whether the others answer or not
	status.Next = next(status)
	return dataReply(http.StatusOK, status, nil), nil
}

// clash gives conflicts the status that they have about clusters. Those of resources are answered
// as the original DGate did.
func clash(err error) error {
	if _, own := errors.AsType[*statusError](err); own {
		return err
	}
	switch resource.CodeOf(err) {
	case resource.Conflict, resource.InUse:
		return &statusError{http.StatusConflict, err}
	}
	return err
}
