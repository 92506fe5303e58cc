package raftstorage

import (
	"context"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// patient is a server as the decision to remove it sees it.
type patient struct {
	id      string
	voter   bool
	edge    bool
	healthy bool
	silent  time.Duration // for how long it has not answered this leader
}

// dead picks a server that is gone for good, or "". A voter is removed only if there is a spare for
// its place, if at least three servers that answer can vote then, and if most of the voters that
// remain answer until then: an operator can decide more than a program. What does not vote is
// removed after a longer time, because nothing depends on it.
func dead(servers []patient, afterVoter, afterOther time.Duration) string {
	voters, healthy, spares := 0, 0, 0
	for _, p := range servers {
		switch {
		case p.voter:
			voters++
			if p.healthy {
				healthy++
			}
		case p.healthy && !p.edge:
			spares++
		}
	}
	for _, p := range servers {
		if p.healthy {
			continue
		}
		if !p.voter && p.silent > afterOther {
			return p.id
		}
		if p.voter && p.silent > afterVoter && spares > 0 && healthy >= quorum(voters-1) && healthy+spares >= 3 {
			return p.id
		}
	}
	return ""
}

// autopilot removes one server that is gone for good, if there is one. Times count from when this
// leader noticed; a new leader begins anew.
func (s *store) autopilot(ctx context.Context) error {
	ms, servers, now := s.members, s.servers(), time.Now()
	records, _, err := s.records()
	if err != nil {
		return err
	}
	var patients []patient
	ms.mu.Lock()
	for _, server := range servers {
		id := string(server.ID)
		p := patient{id: id, voter: server.Suffrage == raft.Voter, edge: records[id].Role == Edge}
		since, silent := ms.silent[id]
		if p.healthy = !silent; silent {
			p.silent = now.Sub(since)
		}
		if _, steady := ms.following[id]; !steady && server.ID != s.id() {
			p.healthy = false
		}
		patients = append(patients, p)
	}
	ms.mu.Unlock()
	id := dead(patients, ms.timing.deadVoter, ms.timing.deadEdge)
	if id == "" {
		return nil
	}
	s.log().Warn("a server has not answered for long and is removed from the cluster", zap.String("server", id))
	ms.changing.Lock()
	defer ms.changing.Unlock()
	if err := s.expel(ctx, id); err != nil {
		return err
	}
	wake(ms.leadNow)
	return nil
}
