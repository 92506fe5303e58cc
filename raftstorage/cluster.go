package raftstorage

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// Cluster says how a node is one of several. Without it a node is alone, and listens nowhere.
type Cluster struct {
	// Name is part of what the credentials of all members are derived from. Default: dgate.
	Name string
	// NodeName is what people call this node. Default: the name of the host.
	NodeName string
	// Listen is the address of the one port. Default: :7373 with a secret or files, else
	// 127.0.0.1:7373, as nobody could be told from a stranger.
	Listen string
	// Advertise is the host, or host and port, at which others reach this node. Default: the
	// address that is listened on, or the first address of this machine that is not loopback.
	Advertise string
	// Join are members to ask for admission: host:port, dns://name:port or
	// srv://_dgate._tcp.name. A node without data that has any never begins a cluster alone.
	Join []string
	// Expect is how many nodes without data, 1, 3 or 5, begin a cluster together if nobody admits them.
	// With 3 or 5 the join list must have fewer than twice as many servers while they do: two parts of it
	// that do not see each other would begin a cluster each.
	// Default: 0, nobody waits for others.
	Expect int
	// Edge makes this node one that never votes. It needs Join.
	Edge bool
	// LeaveOnExit removes this node from the cluster when it ends.
	LeaveOnExit bool
	// Secret is what members prove that they belong together. Nil: see Files.
	Secret *peer.Secret
	// Previous are secrets that are still trusted, while nodes are given a new one in turn.
	Previous []*peer.Secret
	// Files are certificates of one's own, in place of Secret.
	Files *peer.Files
	// Version is that of the program, for people.
	Version string
}

// Defaults of [Cluster].
const (
	DefaultClusterName = "dgate"
	defaultPort        = "7373"
	defaultListen      = ":" + defaultPort
	defaultLoopback    = "127.0.0.1:" + defaultPort
)

// private tells whether others can prove that they belong here.
func (c *Cluster) private() bool { return c.Secret == nil && c.Files == nil }

// withDefaults is a copy with every default filled in, but for Advertise.
func (c *Cluster) withDefaults() *Cluster {
	if c == nil {
		return nil
	}
	d := *c
	if d.Name == "" {
		d.Name = DefaultClusterName
	}
	if d.NodeName == "" {
		d.NodeName, _ = os.Hostname() // without, it has no name
	}
	if d.Listen == "" && d.private() {
		d.Listen = defaultLoopback
	} else if d.Listen == "" {
		d.Listen = defaultListen
	}
	return &d
}

// check says what is wrong with a configuration that has its defaults. It does no I/O.
func (c *Cluster) check() error {
	if c == nil {
		return nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("cluster: listen %q must be host:port, or :port for all addresses: %w", c.Listen, err)
	}
	switch {
	case c.private() && !isLoopback(host):
		return fmt.Errorf("cluster: listen %s can be reached from outside, and nobody could be told from a stranger: set secret (or own certificates), or listen on 127.0.0.1", c.Listen)
	case c.Edge && len(c.Join) == 0:
		return errors.New("cluster: role edge needs join: an edge node never begins a cluster")
	case c.Expect != 0 && c.Expect != 1 && c.Expect != 3 && c.Expect != 5:
		return fmt.Errorf("cluster: expect %d must be 1, 3 or 5: with an even number half of the nodes could be cut off from the other half, and neither could go on", c.Expect)
	case c.Expect > 1 && len(c.Join) == 0:
		return fmt.Errorf("cluster: expect %d needs join: the addresses of all %d, which find each other with it", c.Expect, c.Expect)
	case c.Edge && c.Expect != 0:
		return errors.New("cluster: role edge and expect exclude each other: an edge node never begins a cluster")
	case c.private() && (len(c.Join) > 0 || c.Expect > 1):
		return errors.New("cluster: join and expect need secret (or own certificates): the other nodes could not tell this one from a stranger")
	case strings.TrimSpace(c.Name) == "" || strings.ContainsAny(c.Name, ":/ \t\n"):
		return fmt.Errorf("cluster: name %q must not be empty or contain colons, slashes or spaces", c.Name)
	}
	return nil
}

// mayBegin tells whether a node without data begins a cluster of its own.
func (c *Cluster) mayBegin() bool {
	return c == nil || len(c.Join) == 0 && c.Expect <= 1 && !c.Edge
}

// isLoopback tells hosts that only this machine can reach.
func isLoopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// MemberRole is what a member of a cluster does.
type MemberRole string

// The roles of members.
const (
	// Voter is a member whose copy counts: a change is made when most voters have it.
	Voter MemberRole = "voter"
	// NonVoter has a copy and takes over when a voter is removed.
	NonVoter MemberRole = "nonvoter"
	// Edge has a copy and never votes.
	Edge MemberRole = "edge"
)

// Member is a server of the cluster.
type Member struct {
	ID      string
	Name    string
	Address string
	Role    MemberRole
	// Leader tells the one that brings changes into order.
	Leader bool
	// Self tells the node that was asked.
	Self bool
	// Reachable is whether it answered within a second, as a member of this cluster.
	Reachable bool
	// Cluster is the id of the cluster that it is in, if that is another one by now; otherwise "".
	Cluster string
	// Version is that of its program, and Level the newest format that it understands.
	Version string
	Level   int
	// Applied is the last entry that its state contains, Lag how many it is behind, and Hash that
	// of its state.
	Applied uint64
	Lag     uint64
	Hash    string
	// LastContact is how long ago it heard of the leader.
	LastContact time.Duration
	// Storage is "ok", or what it cannot read or write.
	Storage string
	// Apart says why it does not count although it is there, or is "": it and the node that was asked do
	// not accept each other, or it calls others and cannot be called. Then it is not lost.
	Apart string
	// Problem says why it is not reachable, not promoted or superseded, or is "".
	Problem string
}

// noCluster is the answer of a node that is alone to what takes others.
func noCluster() error {
	return resource.Errorf(resource.Conflict, "this node is alone: its configuration has no cluster block")
}
