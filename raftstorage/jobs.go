package raftstorage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// lastRun is what is stored of a job.
type lastRun struct {
	Slot   string `json:"slot"`
	Server string `json:"server"`
	// Claim tells calls apart, so that one whose answer was lost can find out whether it was true.
	Claim string `json:"claim"`
}

// Once tells one caller in the cluster to do the part of a job that is due in a slot: it is true
// once per slot, and never again for that slot or one that sorts before it. Slots are compared as
// text; times in UTC as of RFC 3339, cut to the period of the job, are good ones.
//
// After an error the work may have been given to this caller without its knowing, and then nobody
// does it: work that must not be left out is done again in the next slot. Codes: no_leader,
// outcome_unknown, bad_request.
func (n *Node) Once(ctx context.Context, job, slot string) (bool, error) {
	s, err := n.current()
	if err != nil {
		return false, err
	}
	return s.locks.once(ctx, job, slot)
}

func (l *locker) once(ctx context.Context, job, slot string) (bool, error) {
	if job == "" || slot == "" {
		return false, resource.Errorf(resource.BadRequest, "a job and its slot must have names")
	}
	key := resource.Key{Kind: state.Job, Name: job}
	mine := lastRun{Slot: slot, Server: l.server(), Claim: rand.Text()}
	data, err := json.Marshal(mine)
	if err != nil {
		return false, err
	}
	for {
		last, cond, err := l.lastRun(key)
		if err != nil {
			return false, err
		}
		if last.Slot >= slot {
			return last.Claim == mine.Claim, nil
		}
		_, err = l.group.change(ctx, state.Op{Key: key, Data: data, If: cond})
		if err == nil {
			return true, nil
		}
		unknown := resource.CodeOf(err) == resource.OutcomeUnknown
		if !unknown && resource.CodeOf(err) != resource.PreconditionFailed {
			return false, fmt.Errorf("job %s: %w", job, err)
		}
		if current := l.group.current(ctx); current != nil && unknown {
			return false, fmt.Errorf("job %s: %w", job, err)
		} else if current != nil {
			return false, fmt.Errorf("job %s: %w", job, current)
		}
	}
}

// lastRun reads a job, and gives the condition that it has not run since.
func (l *locker) lastRun(key resource.Key) (last lastRun, cond state.Condition, err error) {
	cond.Mode = state.Absent
	err = l.group.database().View(func(r *state.Reader) error {
		rec, found, err := r.Get(key)
		if err != nil || !found {
			return err
		}
		cond = state.Condition{Mode: state.AtVersion, Version: rec.Version}
		return json.Unmarshal(rec.Data, &last)
	})
	return last, cond, err
}
