package raftstorage

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// The spans of membership; tests shorten them.
type memberTiming struct {
	ask       time.Duration // one question to another server
	joinFirst time.Duration // first pause of a server that is not let in; doubles
	joinMost  time.Duration // the longest such pause
	announce  time.Duration // between two announcements while there is a leader
	alone     time.Duration // between two announcements while there is none
	lead      time.Duration // between two looks of the leader at its servers
	steady    time.Duration // of contact before a server is promoted
	change    time.Duration // a change of the configuration
	autopilot time.Duration // between two looks for servers that are gone for good
	deadVoter time.Duration // after which a voter that does not answer is removed
	deadEdge  time.Duration // the same for servers that do not vote
}

func defaultMemberTiming() memberTiming {
	return memberTiming{
		ask: 2 * time.Second, joinFirst: time.Second, joinMost: 15 * time.Second,
		announce: 30 * time.Second, alone: 2 * time.Second, lead: 2 * time.Second, steady: steadyContact,
		change: 5 * time.Second, autopilot: 10 * time.Second, deadVoter: 24 * time.Hour, deadEdge: 72 * time.Hour,
	}
}

// membership is what a node knows about the members of its cluster, itself included. It lives as
// long as the store.
type membership struct {
	pledge *pledge
	nonce  string // of this start of the process
	level  int    // the newest format that this program understands
	timing memberTiming
	finder resolver

	forming   atomic.Bool   // a cluster is about to begin here
	joinNow   chan struct{} // wakes the loop that joins and announces
	leadNow   chan struct{} // wakes the loop of the leader
	changing  sync.Mutex    // held by the leader while it changes the configuration
	mu        sync.Mutex
	seen      map[string]seen
	extra     []string // of Node.Join
	target    string   // the cluster that this node has asked to be let in, not kept on the disk
	removed   bool
	confirmed bool              // a leader has said that this server is a member, since it was started
	elsewhere map[string]string // in which other clusters servers are that answered
	replaced  string            // why this process is not the member any more that it was, or ""
	problems  map[string]string
	following map[string]time.Time // since when servers follow this leader
	silent    map[string]time.Time // since when servers do not answer this leader
	failed    int                  // see former; for the loop that joins only
	refusing  map[string]string    // by address, why it and this server do not accept each other
	told      string               // what the leader says is wrong with this server
}

// seen is what a server announced last.
type seen struct {
	announcement
	at      time.Time // when it said where it is
	dialled time.Time // when it called this server last
	from    string    // the host that it called from
}

func newMembership(path string, level int, timing memberTiming) (*membership, error) {
	p, err := openPledge(path)
	if err != nil {
		return nil, err
	}
	return &membership{
		pledge: p, nonce: randomHex(8), level: cmp.Or(level, state.FeatureLevel), timing: timing, finder: netResolver(),
		joinNow: make(chan struct{}, 1), leadNow: make(chan struct{}, 1),
		seen: map[string]seen{}, problems: map[string]string{}, elsewhere: map[string]string{}, refusing: map[string]string{},
		following: map[string]time.Time{}, silent: map[string]time.Time{},
	}, nil
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake
	}
}

// memberRecord is what the cluster remembers of a server. It changes when the server does, never
// by time.
type memberRecord struct {
	Name    string     `json:"name"`
	Address string     `json:"address"`
	Role    MemberRole `json:"role"` // Voter or Edge: what it wants to be
	Version string     `json:"version,omitempty"`
	Level   int        `json:"level"`
	// Nonce is that of the process that is this member; those in Before were.
	Nonce  string   `json:"nonce"`
	Before []string `json:"before,omitempty"`
}

// noncesKept is how many earlier processes of a member are remembered.
const noncesKept = 32

func memberKey(id string) resource.Key { return resource.Key{Kind: state.Member, Name: id} }

// records reads what the cluster remembers of its servers, by id, with versions.
func (s *store) records() (map[string]memberRecord, map[string]uint64, error) {
	found, versions := map[string]memberRecord{}, map[string]uint64{}
	err := s.db.View(func(r *state.Reader) error {
		for rec, err := range r.List(state.Member, "") {
			if err != nil {
				return err
			}
			var m memberRecord
			if err := json.Unmarshal(rec.Data, &m); err != nil {
				return fmt.Errorf("member %s: %w", rec.Key.Name, err)
			}
			found[rec.Key.Name], versions[rec.Key.Name] = m, rec.Version
		}
		return nil
	})
	return found, versions, err
}

func findServer(servers []raft.Server, id string) (raft.Server, bool) {
	i := slices.IndexFunc(servers, func(s raft.Server) bool { return string(s.ID) == id })
	if i < 0 {
		return raft.Server{}, false
	}
	return servers[i], true
}

// whereIs is the address of a server: the one that it announced last, or that of the configuration.
func (s *store) whereIs(server raft.Server) string {
	return string(s.addresses.of(server.ID, server.Address))
}
