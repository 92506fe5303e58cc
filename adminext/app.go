package adminext

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// App is what the admin API needs of the gateway that runs. It is looked up for each request and
// not kept.
type App interface {
	// State opens the store if it is not open yet, and gives what this node has applied.
	State(ctx context.Context) (*state.DB, error)
	// Index is what this node has applied, 0 while the store is not open. It opens nothing.
	Index() uint64
	// Writer makes changes. It is called after State.
	Writer() *change.Writer
	// Barrier returns once this node has applied everything that was agreed on before the call.
	Barrier(ctx context.Context) error
	// Ready is nil if requests can be served. The code no_leader is told apart.
	Ready(ctx context.Context) error
	// Status describes this node, and its cluster as far as it knows without asking others: without
	// members. It may be called before State.
	Status(ctx context.Context) (Status, error)
	// Operations are what can be done with the cluster. It is called after State.
	Operations() Cluster
	// Health tells how the upstreams of a service are. It is called after State.
	Health(namespace, service string) (ServiceHealth, error)
	// DomainStatus tells which certificates a domain has. It is called after State.
	DomainStatus(ctx context.Context, domain resource.Key) (DomainStatus, error)
	// Snapshot writes a snapshot of the store now.
	Snapshot(ctx context.Context) error
	// DefaultNamespace is the namespace of requests that name none, empty if they are refused.
	DefaultNamespace() string
	// Metrics has what is counted, without anything else of the program.
	Metrics() prometheus.Gatherer
	// Version is that of the program.
	Version() string
	// Logger is for what clients are not told.
	Logger() *zap.Logger
}

// Status describes a node and the cluster as it sees it.
type Status struct {
	// ID is the node's identity in the cluster.
	ID string `json:"id"`
	// Name is what people call the node.
	Name string `json:"name"`
	// ClusterID is what all members have in common.
	ClusterID string `json:"clusterId"`
	// Address is where other nodes reach this one, empty if they cannot.
	Address string `json:"address"`
	// Role is one of leader, follower, candidate and edge.
	Role string `json:"role"`
	// Leader is the id of the leader, empty if there is none.
	Leader string `json:"leader"`
	// LeaderAddress is where the leader is, empty if there is none or if it is alone.
	LeaderAddress string `json:"leaderAddress"`
	// Term counts elections.
	Term uint64 `json:"term"`
	// Index is the last entry of the node's log.
	Index uint64 `json:"index"`
	// Applied is the last entry that the node has applied.
	Applied uint64 `json:"applied"`
	// Hash is equal on all nodes that have applied the same entries.
	Hash string `json:"hash"`
	// FaultTolerance is how many more voters can fail now before changes are impossible.
	FaultTolerance int `json:"faultTolerance"`
	// Table is what requests are served from.
	Table TableStatus `json:"table"`
	// Storage is "ok", or what the node cannot read or write.
	Storage string `json:"storage"`
	// Joining says why the node takes part in no cluster, empty if it does.
	Joining string `json:"joining,omitempty"`
	// Removed tells that the node was taken out of the cluster.
	Removed bool `json:"removed,omitempty"`
	// Superseded tells that another process has the same identity, and was started later.
	Superseded bool `json:"superseded,omitempty"`
	// Elsewhere says that the cluster was recovered without this node, and goes on under another id,
	// empty if it does not.
	Elsewhere string `json:"elsewhere,omitempty"`
	// Apart says why the node hears of no leader although others are there: secret, name or clock differ,
	// or nobody reaches its address. It is empty otherwise.
	Apart string `json:"apart,omitempty"`
	// Diverged says how the node's data differ from the leader's, empty if they do not.
	Diverged string `json:"diverged,omitempty"`
	// Halted says why the node applies no changes any more, empty if it does.
	Halted string `json:"halted,omitempty"`
	// Secrets says why secrets cannot be read, empty if they can.
	Secrets string `json:"secrets,omitempty"`
	// Rebuilt says why the node had to rebuild its data when it started, empty if it had not.
	Rebuilt string `json:"rebuilt,omitempty"`
	// Members are the nodes of the cluster; only the status of the cluster has them.
	Members []Member `json:"members"`
	// Next says what to do now, what matters most first; only the status of the cluster has it.
	Next []string `json:"next"`
	// Clustered tells whether the configuration has a cluster that others can join.
	Clustered bool `json:"-"`
}

// TableStatus describes the compiled routing table.
type TableStatus struct {
	// Index is the last entry that is compiled into the table.
	Index uint64 `json:"index"`
	// Error says why a later entry is not, empty if all is well.
	Error string `json:"error,omitempty"`
}
