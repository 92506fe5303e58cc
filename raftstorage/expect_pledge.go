package raftstorage

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// pledgeFile is the name of the file with what a server has promised before it was in a cluster.
const pledgeFile = "pledge"

// proposedServer is one of those who are to form a cluster.
type proposedServer struct {
	ID      string `json:"id"`
	Address string `json:"address"`
}

// proposal is a cluster that is to be formed. Only the proposer ever begins it, and only when all
// of its servers have promised to be in no other.
type proposal struct {
	// Cluster is the id that the cluster will have.
	Cluster string `json:"cluster"`
	// Proposer is the id of the server that made the proposal.
	Proposer string `json:"proposer"`
	// Number counts the proposals of a proposer: a later one replaces those before.
	Number uint64 `json:"number"`
	// Servers are all of them, the proposer included, by id.
	Servers []proposedServer `json:"servers"`
}

func (p *proposal) find(id string) (proposedServer, bool) {
	i := slices.IndexFunc(p.Servers, func(s proposedServer) bool { return s.ID == id })
	if i < 0 {
		return proposedServer{}, false
	}
	return p.Servers[i], true
}

// vows are what a server must not forget.
type vows struct {
	// Number is that of the last proposal of its own.
	Number uint64 `json:"number,omitempty"`
	// Promised is the proposal that it has agreed to, or nil.
	Promised *proposal `json:"promised,omitempty"`
	// Joining is the id of the cluster that it has asked to be let in, or "".
	Joining string `json:"joining,omitempty"`
	// Dropping is whether this server is forgetting the cluster that it began alone.
	Dropping bool `json:"dropping,omitempty"`
	// Recovering is the new id of the cluster that this server goes on with alone, or "".
	Recovering string `json:"recovering,omitempty"`
}

// cluster is the id of the cluster that a server is bound to, or "".
func (v vows) cluster() string {
	switch {
	case v.Recovering != "":
		return v.Recovering
	case v.Joining != "":
		return v.Joining
	case v.Promised != nil:
		return v.Promised.Cluster
	}
	return ""
}

// pledge keeps the vows of a server, on the disk before anybody is told of them.
type pledge struct {
	path string // "" in memory

	mu    sync.Mutex
	vows  vows
	begun string // the proposal that this process begins: it is too late to give it up
}

// openPledge reads the vows of a server, if it has made any.
func openPledge(path string) (*pledge, error) {
	p := &pledge{path: path}
	if path == "" {
		return p, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &p.vows)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return p, nil
}

func (p *pledge) get() vows {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vows
}

// change replaces the vows by what fn makes of them. An error of fn is returned and changes nothing.
func (p *pledge) change(fn func(*vows) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.vows
	if err := fn(&next); err != nil {
		return err
	}
	if p.path != "" {
		data, err := json.Marshal(next)
		if err == nil {
			err = writeFile(p.path, append(data, '\n'), true)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", p.path, err)
		}
	}
	p.vows = next
	return nil
}

// promise agrees to a proposal, or says to what else this server is bound.
func (p *pledge) promise(asked proposal) error {
	return p.change(func(v *vows) error {
		if v.Joining != "" {
			return resource.Errorf(resource.Conflict, "this server is joining cluster %s", v.Joining)
		}
		if had := v.Promised; had != nil && had.Cluster != asked.Cluster &&
			(had.Proposer != asked.Proposer || had.Number >= asked.Number) {
			return resource.Errorf(resource.Conflict, "this server has promised %s to form another cluster", had.Proposer)
		}
		v.Promised = &asked
		return nil
	})
}

// propose makes a proposal of our own with a new number and promises it.
func (p *pledge) propose(self string, servers []proposedServer) (made proposal, err error) {
	err = p.change(func(v *vows) error {
		if bound := v.cluster(); bound != "" {
			return fmt.Errorf("this server is bound to cluster %s", bound)
		}
		v.Number++
		made = proposal{Cluster: newClusterID(), Proposer: self, Number: v.Number, Servers: servers}
		v.Promised = &made
		return nil
	})
	return made, err
}

// begin runs fn, which begins the cluster of a proposal of our own, unless that was given up. From
// then on it cannot be given up any more: fn can have failed halfway.
func (p *pledge) begin(cluster string, fn func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if held := p.vows.Promised; held == nil || held.Cluster != cluster {
		return fmt.Errorf("the proposal of cluster %s was given up", cluster)
	}
	p.begun = cluster
	return fn()
}

// release forgets the promise to a cluster that its proposer has given up.
func (p *pledge) release(cluster string) error {
	if held := p.get().Promised; held == nil || held.Cluster != cluster {
		return nil
	}
	return p.change(func(v *vows) error {
		if p.begun == cluster {
			return fmt.Errorf("cluster %s is being begun", cluster)
		}
		if v.Promised != nil && v.Promised.Cluster == cluster {
			v.Promised = nil
		}
		return nil
	})
}

// join binds this server to a cluster that it asks to be let in.
func (p *pledge) join(cluster string) error {
	v := p.get()
	if v.Joining == cluster || v.Promised != nil && v.Promised.Cluster == cluster {
		return nil
	}
	return p.change(func(v *vows) error {
		if bound := v.cluster(); bound != "" && bound != cluster {
			return fmt.Errorf("this server is bound to cluster %s already", bound)
		}
		v.Joining = cluster
		return nil
	})
}

// refused forgets that this server asked a cluster to be let in: it has said no.
func (p *pledge) refused(cluster string) error {
	if p.get().Joining != cluster {
		return nil
	}
	return p.change(func(v *vows) error { v.Joining = ""; return nil })
}

// forgetRecovery forgets a recovery that did not happen, also if that cannot be written.
func (p *pledge) forgetRecovery() error {
	err := p.change(func(v *vows) error { v.Recovering = ""; return nil })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vows.Recovering = ""
	return err
}

// kept forgets all vows: the server is in its cluster.
func (p *pledge) kept() error {
	if v := p.get(); v.cluster() == "" {
		return nil
	}
	return p.change(func(v *vows) error {
		*v = vows{Number: v.Number}
		return nil
	})
}
