package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// lockNodeConfig is the argument of the command lock-node.
type lockNodeConfig struct {
	Dir, Listen, HTTP string
	Join              []string
}

// lockNode is the command lock-node: a node of the store without a Caddy, whose locks can be had over
// HTTP. It runs until it is killed.
func lockNode() {
	if err := runLockNode(os.Args[1]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runLockNode(text string) error {
	var cfg lockNodeConfig
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return err
	}
	shared, err := peer.ParseSecret(secret)
	if err != nil {
		return err
	}
	logger, err := zap.NewProduction()
	if err != nil {
		return err
	}
	n := raftstorage.New(raftstorage.Config{Dir: cfg.Dir, Logger: func() *zap.Logger { return logger }})
	if err := n.Configure(&raftstorage.Cluster{Name: "locks", Listen: cfg.Listen, Advertise: cfg.Listen, Join: cfg.Join, Expect: 3, Secret: shared}); err != nil {
		return err
	}
	if err := n.Open(context.Background()); err != nil {
		return err
	}
	s := &lockServer{node: n, held: map[string]*raftstorage.Lock{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/role", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, n.Status().Role, " ", n.Status().Leader)
	})
	mux.HandleFunc("/lock", s.lock)
	mux.HandleFunc("/unlock", s.unlock)
	mux.HandleFunc("/write", s.write)
	server := &http.Server{Addr: cfg.HTTP, Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.ListenAndServe()
}

// lockServer has the locks that its clients hold.
type lockServer struct {
	node *raftstorage.Node
	mu   sync.Mutex
	held map[string]*raftstorage.Lock // by name and token
}

// lock waits for a lock and answers its token.
func (s *lockServer) lock(w http.ResponseWriter, r *http.Request) {
	lock, err := s.node.Lock(r.Context(), r.FormValue("name"))
	if err != nil {
		answerError(w, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[fmt.Sprint(lock.Name, lock.Token)] = lock
	_, _ = fmt.Fprint(w, lock.Token)
}

// of finds the lock that a request is about.
func (s *lockServer) of(r *http.Request) *raftstorage.Lock {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[r.FormValue("name")+r.FormValue("token")]
}

func (s *lockServer) unlock(w http.ResponseWriter, r *http.Request) {
	lock := s.of(r)
	if lock == nil {
		http.Error(w, "not held here", http.StatusGone)
		return
	}
	if err := lock.Unlock(r.Context()); err != nil {
		answerError(w, err)
		return
	}
	if !errors.Is(context.Cause(lock.Context()), raftstorage.ErrUnlocked) {
		http.Error(w, "it was lost before", http.StatusGone) // until its session ends, nobody has it
	}
}

// write does something that only the holder of a lock may do, also if it is none any more as far as
// this node knows, and answers the index at which it happened.
func (s *lockServer) write(w http.ResponseWriter, r *http.Request) {
	lock := s.of(r)
	if lock == nil {
		http.Error(w, "not held here", http.StatusGone)
		return
	}
	key := resource.Key{Kind: state.Setting, Name: "written under " + lock.Name}
	out, err := s.node.Propose(r.Context(), lock.Fence(), state.Op{Key: key, Data: []byte(quote(fmt.Sprint(lock.Token, time.Now().UnixNano())))})
	if err != nil {
		answerError(w, err)
		return
	}
	_, _ = fmt.Fprint(w, out.Index)
}

func answerError(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch resource.CodeOf(err) {
	case resource.PreconditionFailed:
		status = http.StatusPreconditionFailed
	case resource.NoLeader, resource.Overloaded:
		status = http.StatusServiceUnavailable
	case resource.OutcomeUnknown, resource.IndexTimeout:
		status = http.StatusGatewayTimeout
	}
	http.Error(w, err.Error(), status)
}
