package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Join asks members of a cluster at these addresses, in the form of [Cluster.Join], to let this
// node in, now and until one of them does. A node that holds anything but what a new one has is
// refused: that would be lost. The error says what each address answered; trying goes on if it has
// the code no_leader.
func (n *Node) Join(ctx context.Context, addresses []string) error {
	s, err := n.current()
	if err != nil {
		return err
	}
	c := s.clusterConfig()
	if c == nil {
		return noCluster()
	}
	if c.private() {
		return resource.Errorf(resource.Conflict, "this node has no secret that others could know it by: set secret (or own certificates) in its cluster block")
	}
	for _, a := range addresses {
		if err := CheckJoin(a); err != nil {
			return &resource.Error{Code: resource.BadRequest, Message: err.Error(), Err: err}
		}
	}
	if len(addresses) == 0 {
		return resource.Errorf(resource.BadRequest, "name at least one member to join")
	}
	return s.joinNow(ctx, addresses)
}

// joinNow joins at run time.
func (s *store) joinNow(ctx context.Context, entries []string) error {
	ms := s.members
	addresses, resolved := resolveJoin(ctx, ms.finder, entries)
	greetings, errs := s.askAll(ctx, addresses)
	problems := []error{resolved}
	own := s.db.ClusterID()
	for i, g := range greetings {
		switch {
		case errs[i] != nil:
			problems = append(problems, fmt.Errorf("%s: %w", addresses[i], errs[i]))
			continue
		case g.ID == string(s.id()):
			problems = append(problems, fmt.Errorf("%s: that is this node", addresses[i]))
			continue
		case g.Cluster == "" || !g.Member:
			problems = append(problems, fmt.Errorf("%s: it has no cluster either", addresses[i]))
			continue
		case g.Cluster == own && !s.isRemoved():
			return resource.Errorf(resource.Conflict, "this node is in cluster %s already", own)
		case g.Cluster != own && own != "":
			if err := s.dropOwn(g); err != nil {
				return err
			}
		}
		if err := s.askIn(ctx, g); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", addresses[i], err))
			continue
		}
		return s.waitMember(ctx)
	}
	ms.mu.Lock()
	ms.extra = entries
	ms.mu.Unlock()
	wake(ms.joinNow)
	return &resource.Error{Code: resource.NoLeader, Message: oneLine(errors.Join(problems...)), Err: errors.Join(problems...)}
}

// waitMember waits until the leader has made this server part of its cluster.
func (s *store) waitMember(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("the cluster let this node in, but has not sent anything yet"))
	defer cancel()
	err := until(ctx, func() bool {
		_, in := findServer(s.servers(), string(s.id()))
		return in && s.db.ClusterID() != ""
	})
	if err != nil {
		return &resource.Error{Code: resource.NoLeader, Message: err.Error(), Err: err}
	}
	s.members.mu.Lock()
	defer s.members.mu.Unlock()
	s.members.removed = false
	return nil
}
