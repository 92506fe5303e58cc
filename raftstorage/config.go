package raftstorage

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// Config says where a node keeps its data.
type Config struct {
	// Dir is the data directory. It is created with mode 0700, and belongs to one process.
	Dir string
	// Memory keeps nothing: the log is in memory and the state in a private temporary
	// directory that is removed by Close. Dir is ignored then.
	Memory bool
	// Cluster makes the node one of several. Nil: it is alone, and listens nowhere. See [Node.Configure].
	Cluster *Cluster
	// Logger returns where to log. It is called for every message, so that a node that
	// outlives its configuration follows the new one. Default: nowhere.
	Logger func() *zap.Logger
	// Applied is told how long each batch of entries took to be applied. Raft waits for it. Default: nobody.
	Applied func(took time.Duration)
	// SnapshotEntries is after how many log entries a snapshot is taken. Default: 8,192.
	SnapshotEntries uint64
	// SnapshotBytes is after how many bytes of log a snapshot is taken, or the size of the
	// state if that is more. Default: 64 MiB.
	SnapshotBytes int64

	// bootID replaces that of the kernel in tests.
	bootID string
	// compactSize is from what size on raft.db is compacted.
	compactSize int64
	// faults puts something between the guard and the files of the log.
	faults func(raft.LogStore, raft.StableStore) (raft.LogStore, raft.StableStore)
	// link says in tests whether this node can reach an address; nil: every one.
	link func(address string) error
	// manual leaves out in tests what joins, announces and promotes members.
	manual bool
	// level replaces the newest format that this program understands, in tests.
	level int
	// timing replaces the default in tests.
	timing *timing
	// leases replaces the spans of sessions in tests.
	leases *leaseTiming
}

// timing has the spans that tests shorten.
type timing struct {
	open        time.Duration // an Open as a whole
	catchUp     time.Duration // how long an Open waits for the state to be as new as the log
	leaderWait  time.Duration // how long a proposal waits for a leader
	propose     time.Duration // a proposal as a whole
	drain       time.Duration // how long Close waits for running proposals
	shutdown    time.Duration // how long Close waits for raft
	snapshotGap time.Duration // between two snapshots for reasons of size
	retry       time.Duration // first pause after a failed write; doubles up to 100 times that
	election    time.Duration // without a leader for that long, followers elect another one
	joined      time.Duration // how long an Open waits for a cluster to admit this node
	visible     time.Duration // how long a forwarded proposal waits to be applied here
	stall       time.Duration // after a write of the log took that long, others should lead
	compare     time.Duration // between two comparisons of the state with that of the leader
	members     memberTiming
}

func defaultTiming() *timing {
	return &timing{
		members: defaultMemberTiming(),
		open:    30 * time.Second, catchUp: 20 * time.Second, leaderWait: 5 * time.Second, propose: 10 * time.Second,
		drain: 2 * time.Second, shutdown: 10 * time.Second, snapshotGap: 30 * time.Second,
		retry: 50 * time.Millisecond, election: time.Second, joined: 5 * time.Second, visible: 2 * time.Second,
		stall: 5 * time.Second, compare: 30 * time.Second,
	}
}

// The timeouts of raft. A sole voter has nobody to wait for, so its first election is quick; once
// it leads, the usual ones apply as far as raft can change them while it runs.
const (
	soloTimeout   = 10 * time.Millisecond
	soloLease     = 5 * time.Millisecond
	commitTimeout = 20 * time.Millisecond
)

// Pauses between two tries of the same. They double.
const (
	retryPause    = 10 * time.Millisecond
	maxRetryPause = 250 * time.Millisecond
)

// catchUpMember is how long an Open of one of several servers waits for the state to be as new as
// the log: perhaps nobody can say what of it counts.
const catchUpMember = 2 * time.Second

// transferTime bounds one try to give leadership away.
const transferTime = 3 * time.Second

// Bounds of proposals in flight, of which there can be more at once than raft takes.
const (
	maxInFlight      = 1024
	maxInFlightBytes = 64 << 20
)

// Bounds of the log that a snapshot leaves behind, for followers to catch up from.
const (
	trailingBytes = 64 << 20
	minTrailing   = 256
	maxTrailing   = 10_240
)

const (
	snapshotInterval = 30 * time.Second
	snapshotsKept    = 2
)

// Names in the data directory.
const (
	logFile       = "raft.db"
	lockFile      = "node.lock"
	serverIDFile  = "server-id"
	clusterIDFile = "cluster-id"
	joiningFile   = "joining" // there while a node without a log waits to be admitted
	snapshotDir   = "snapshots"
)

func (c Config) withDefaults() Config {
	c.Cluster = c.Cluster.withDefaults()
	if c.Logger == nil {
		nop := zap.NewNop()
		c.Logger = func() *zap.Logger { return nop }
	}
	if c.Applied == nil {
		c.Applied = func(time.Duration) {}
	}
	if c.SnapshotEntries == 0 {
		c.SnapshotEntries = 8192
	}
	if c.SnapshotBytes == 0 {
		c.SnapshotBytes = 64 << 20
	}
	if c.compactSize == 0 {
		c.compactSize = compactSize
	}
	if c.timing == nil {
		c.timing = defaultTiming()
	}
	return c
}

// check says what is wrong with the configuration; it does no I/O.
func (c Config) check() error {
	if err := c.Cluster.Check(); err != nil {
		return err
	}
	if !c.Memory && c.Dir == "" {
		return errors.New("raft storage: no data directory is set")
	}
	return nil
}

func (c Config) path(name string) string { return filepath.Join(c.Dir, name) }
