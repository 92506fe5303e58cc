package raftstorage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// former forms a cluster of servers that have none, without ever forming two. The server with the
// lowest id proposes; each of the others makes a promise that it does not forget; with all
// promises, the proposer alone begins the cluster, and the others follow it.
type former struct {
	self   proposedServer
	expect int
	pledge *pledge
	// call asks another server; the error has the code conflict if it refuses.
	call func(ctx context.Context, address, method string, in, out any) error
	// begin makes this server the first of the cluster.
	begin func(proposal) error

	exists string // a cluster that another server is in, or ""
	known  int    // how many servers the join list has
	failed int    // rounds in which somebody could not be asked for its promise
}

// patience is in how many rounds a promise is asked for before the proposal is given up.
const patience = 4

// fate is what became of a proposal.
type fate struct {
	// State is open, gone or formed.
	State string `json:"state"`
}

// The fates of proposals.
const (
	fateOpen   = "open"
	fateGone   = "gone"
	fateFormed = "formed"
)

// round goes one step on, given the servers that wait too. It says what it waits for, or "" when
// the cluster has begun.
func (f *former) round(ctx context.Context, waiting []proposedServer) (string, error) {
	held := f.pledge.get().Promised
	switch {
	case held == nil && f.exists != "":
		return "", nil // it asks to be let in there
	case held != nil && held.Proposer == f.self.ID && f.exists != "" && f.exists != held.Cluster:
		return fmt.Sprintf("there is cluster %s already, and no other one is formed", f.exists), f.withdraw(ctx, *held)
	case held == nil:
		chosen, why := f.choose(waiting)
		if why != "" {
			return why, nil
		}
		made, err := f.pledge.propose(f.self.ID, chosen)
		if err != nil {
			return "", err
		}
		f.failed = 0
		return f.collect(ctx, made)
	case held.Proposer == f.self.ID:
		return f.collect(ctx, *held)
	}
	return f.ask(ctx, *held, waiting)
}

// choose picks who forms the cluster: the lowest ids of those who are there. Who is not the
// lowest waits for that one.
func (f *former) choose(waiting []proposedServer) (chosen []proposedServer, why string) {
	all := append([]proposedServer{f.self}, waiting...)
	all = slices.DeleteFunc(all, func(s proposedServer) bool { return s.Address == "" }) // it is only just starting
	slices.SortFunc(all, func(a, b proposedServer) int { return cmp.Compare(a.ID, b.ID) })
	all = slices.CompactFunc(all, func(a, b proposedServer) bool { return a.ID == b.ID })
	if len(all) < f.expect {
		return nil, fmt.Sprintf("%d of the %d servers that form the cluster are there (option expect)", len(all), f.expect)
	}
	if servers := max(f.known, len(all)); f.expect > 1 && servers >= 2*f.expect {
		return nil, fmt.Sprintf("the join list has %d servers, of which every %d could begin a cluster of their own (option expect): "+
			"name fewer than %d until the cluster has begun, or raise expect", servers, f.expect, 2*f.expect)
	}
	if all[0].ID != f.self.ID {
		return nil, fmt.Sprintf("%s, which has the lowest id, forms the cluster", all[0].ID)
	}
	return all[:f.expect], ""
}

// collect asks all servers of our proposal for their promise, and begins the cluster with all.
func (f *former) collect(ctx context.Context, p proposal) (string, error) {
	var missing []string
	for _, server := range p.Servers {
		if server.ID == f.self.ID {
			continue
		}
		err := f.call(ctx, server.Address, "promise", p, nil)
		if err == nil {
			continue
		}
		missing = append(missing, fmt.Sprintf("%s: %v", server.ID, err))
		if resource.CodeOf(err) == resource.Conflict {
			f.failed = patience
		}
	}
	if len(missing) == 0 {
		f.failed = 0
		return "", f.begin(p)
	}
	why := "the cluster is not formed yet: " + strings.Join(missing, "; ")
	if ctx.Err() != nil {
		return why, nil // this server is being restarted, and says nothing about the others
	}
	if f.failed++; f.failed < patience {
		return why, nil
	}
	f.failed = 0
	return why, f.withdraw(ctx, p)
}

// withdraw gives a proposal of ours up, for ever, and then frees those who promised. One that
// does not hear it asks by itself. A proposal that is being begun is not given up.
func (f *former) withdraw(ctx context.Context, p proposal) error {
	if err := f.pledge.release(p.Cluster); err != nil {
		return err
	}
	for _, server := range p.Servers {
		if server.ID != f.self.ID {
			_ = f.call(ctx, server.Address, "release", p, nil) // see above
		}
	}
	return nil
}

// ask asks the proposer that we have promised something whether it still wants it.
func (f *former) ask(ctx context.Context, p proposal, waiting []proposedServer) (string, error) {
	proposer, _ := p.find(p.Proposer)
	for _, w := range waiting {
		if w.ID == p.Proposer {
			proposer = w // its address is newer
		}
	}
	why := fmt.Sprintf("%s forms the cluster", p.Proposer)
	var answer fate
	if err := f.call(ctx, proposer.Address, "fate", p, &answer); err != nil {
		return fmt.Sprintf("%s, which does not answer (%v); if it is gone for good, stop this server and delete the file %s in its data directory",
			why, err, pledgeFile), nil
	}
	if answer.State == fateGone {
		return why, f.pledge.release(p.Cluster)
	}
	return why, nil
}

// agree answers the request for a promise.
func (f *former) agree(asked proposal) error {
	mine, ok := asked.find(f.self.ID)
	switch {
	case !ok:
		return resource.Errorf(resource.Conflict, "%s is another server than the one that was asked", f.self.ID)
	case mine.Address != f.self.Address:
		return resource.Errorf(resource.Conflict, "%s has the address %s, not %s", f.self.ID, f.self.Address, mine.Address)
	case len(asked.Servers) != f.expect:
		return resource.Errorf(resource.Conflict, "%s has expect %d and %s has expect %d: they must be equal",
			f.self.ID, f.expect, asked.Proposer, len(asked.Servers))
	}
	return f.pledge.promise(asked)
}

// fateOf answers the question what became of a proposal of ours. formed gives the id of the cluster
// that this server is in, or ""; it is asked last, because a promise is forgotten when it is kept.
func (f *former) fateOf(asked proposal, formed func() string) (fate, error) {
	held := f.pledge.get().Promised
	switch {
	case asked.Proposer != f.self.ID:
		return fate{}, resource.Errorf(resource.Conflict, "%s is another server than %s, which made the proposal", f.self.ID, asked.Proposer)
	case held != nil && held.Cluster == asked.Cluster:
		return fate{fateOpen}, nil
	case formed() == asked.Cluster:
		return fate{fateFormed}, nil
	}
	return fate{fateGone}, nil
}
