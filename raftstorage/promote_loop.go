package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// lead looks after the servers of the cluster; it runs while this server leads, until ctx ends.
func (s *store) lead(ctx context.Context) {
	ms := s.members
	defer ms.forgetServers()
	ticker := time.NewTicker(ms.timing.lead)
	defer ticker.Stop()
	var lastAutopilot time.Time
	for {
		if err := s.leadOnce(ctx); err != nil && ctx.Err() == nil {
			s.log().Warn("the leader could not look after the members of the cluster", zap.Error(err))
		}
		if time.Since(lastAutopilot) >= ms.timing.autopilot {
			lastAutopilot = time.Now()
			if err := s.autopilot(ctx); err != nil && ctx.Err() == nil {
				s.log().Warn("a server that is gone could not be removed", zap.Error(err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ms.leadNow:
		case <-ticker.C:
		}
	}
}

// forgetServers forgets what only counts while this server leads.
func (ms *membership) forgetServers() {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	clear(ms.following)
	clear(ms.silent)
	ms.problems = map[string]string{}
}

// leadOnce does what is to be done at the moment.
func (s *store) leadOnce(ctx context.Context) error {
	if err := s.finishRecovery(ctx); err != nil {
		return err
	}
	replaced, unnoted := s.upsert(ctx, s.myself()) // what cannot be noted keeps it from nothing else
	if replaced != "" {
		s.supersede(replaced)
		return nil
	}
	records, _, err := s.records() // first: a server is let in before it is remembered
	if err != nil {
		return err
	}
	servers := s.servers()
	for id := range records {
		if _, member := findServer(servers, id); !member {
			if err := s.forget(ctx, id); err != nil {
				return err
			}
		}
	}
	if err := s.raiseLevel(ctx, servers, records); err != nil {
		return err
	}
	if len(servers) == 1 {
		return unnoted
	}
	return errors.Join(unnoted, s.promote(ctx, s.look(ctx, servers, records)))
}

// look asks all servers how they are.
func (s *store) look(ctx context.Context, servers []raft.Server, records map[string]memberRecord) []candidate {
	greetings, errs := s.askMembers(ctx, servers)
	ms, now := s.members, time.Now()
	last, applied := s.raftNow().LastIndex(), s.db.Applied()
	candidates := make([]candidate, len(servers))
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for i, server := range servers {
		id, g := string(server.ID), greetings[i]
		c := candidate{id: id, voter: server.Suffrage == raft.Voter, edge: records[id].Role == Edge, level: g.Level, reach: notAsked}
		alive := errs[i] == nil && g.Replaced == ""
		if follows := alive && (server.ID == s.id() || g.Leader == string(s.id()) && g.Contact >= 0 && g.Contact < 1500); follows {
			since, ok := ms.following[id]
			if !ok {
				since = now
				ms.following[id] = now
			}
			c.contact = max(now.Sub(since), 1)
		} else {
			delete(ms.following, id)
		}
		switch _, silent := ms.silent[id]; {
		case alive:
			delete(ms.silent, id)
		case !silent:
			ms.silent[id] = now
		}
		if last > g.Last {
			c.lag = last - g.Last
		}
		if applied > g.Applied {
			c.behind = applied - g.Applied
		}
		c.storage, c.apart = g.Storage, apart(errs[i], ms.calledFrom(id), s.whereIs(server))
		if one, ok := ms.seen[id]; ok && alive {
			one.Applied = max(one.Applied, g.Applied)
			ms.seen[id] = one
		}
		c.dialled = now.Sub(ms.seen[id].dialled) < 4*ms.timing.announce
		candidates[i] = c
	}
	return candidates
}

// promote makes one server a voter, or makes one none, if there is something to be done.
func (s *store) promote(ctx context.Context, candidates []candidate) error {
	ms := s.members
	if id := demotion(candidates); id != "" {
		return s.demote(id)
	}
	target, level := usualVoters, s.usedLevel()
	if c := s.clusterConfig(); c != nil {
		target = voterTarget(c.Expect)
	}
	voters := 0
	for _, c := range candidates {
		if c.voter {
			voters++
		}
	}
	for i, c := range candidates {
		if voters < target && !c.voter && !c.edge && c.problemBut(level, ms.timing.steady) == "" {
			candidates[i].reach = s.reached(ctx, c.id, candidates)
		}
	}
	next, problems := promotion(candidates, target, level, ms.timing.steady)
	maps.Copy(problems, apartFrom(candidates, s.id()))
	ms.mu.Lock()
	ms.problems = problems
	ms.mu.Unlock()
	if next == "" {
		return nil
	}
	ms.changing.Lock()
	defer ms.changing.Unlock()
	server, ok := findServer(s.servers(), next)
	r := s.raftNow()
	if !ok || r == nil || server.Suffrage == raft.Voter {
		return nil
	}
	if err := r.AddVoter(server.ID, server.Address, 0, ms.timing.change).Error(); err != nil {
		return changeError("promote server "+next, err)
	}
	s.log().Info("a server votes from now on", zap.String("server", next), zap.String("address", string(server.Address)))
	wake(ms.leadNow)
	return nil
}

// demote takes the vote of a server whose configuration says that it is an edge.
func (s *store) demote(id string) error {
	ms := s.members
	if id == string(s.id()) {
		return s.handOver("")
	}
	ms.changing.Lock()
	defer ms.changing.Unlock()
	r := s.raftNow()
	if r == nil {
		return nil
	}
	if err := r.DemoteVoter(raft.ServerID(id), 0, ms.timing.change).Error(); err != nil {
		return changeError("demote server "+id, err)
	}
	s.log().Info("a server does not vote any more", zap.String("server", id))
	return nil
}

// reachRequest asks a voter whether it reaches a server.
type reachRequest struct {
	ID      string `json:"id"`
	Address string `json:"address"`
}

// serveReach calls a server for the leader.
func (s *store) serveReach(ctx context.Context, _ peer.Identity, r *http.Request) (any, error) {
	var in reachRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	g, err := s.ask(ctx, in.Address)
	switch {
	case err != nil:
		return nil, resource.Errorf(resource.Conflict, "%v", err)
	case g.ID != in.ID:
		return nil, resource.Errorf(resource.Conflict, "server %s answers at %s", g.ID, in.Address)
	}
	return struct{}{}, nil
}

// reached has every voter call a server at the address that the configuration has. It says which
// one cannot, or "".
func (s *store) reached(ctx context.Context, id string, candidates []candidate) string {
	servers := s.servers()
	target, ok := findServer(servers, id)
	if !ok {
		return notAsked
	}
	ctx, cancel := context.WithTimeout(ctx, 3*s.members.timing.ask)
	defer cancel()
	problems := make([]string, len(candidates))
	var wg sync.WaitGroup
	for i, c := range candidates {
		if !c.voter {
			continue
		}
		voter, _ := findServer(servers, c.id)
		wg.Go(func() {
			var err error
			in := reachRequest{id, string(target.Address)}
			if voter.ID == s.id() {
				var g greeting
				if g, err = s.ask(ctx, in.Address); err == nil && g.ID != id {
					err = fmt.Errorf("server %s answers there", g.ID)
				}
			} else {
				err = s.call(ctx, s.whereIs(voter), "reach", in, nil)
			}
			if err != nil {
				problems[i] = fmt.Sprintf("voter %s does not reach it at %s: %v", c.id, in.Address, err)
			}
		})
	}
	wg.Wait()
	for _, p := range problems {
		if p != "" {
			return p
		}
	}
	return ""
}
