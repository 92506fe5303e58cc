package certstore

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// question is what a process asks that has not opened the store.
type question struct {
	Key       string        `json:"key"`
	Value     []byte        `json:"value,omitempty"`
	Recursive bool          `json:"recursive,omitempty"`
	Lease     time.Duration `json:"lease,omitempty"`
	// Lock is the lock that is given back, as answer.Lock named it.
	Lock uint64 `json:"lock,omitempty"`
}

// answer is what it gets.
type answer struct {
	Value []byte            `json:"value,omitempty"`
	Keys  []string          `json:"keys,omitempty"`
	Info  certmagic.KeyInfo `json:"info"`
	OK    bool              `json:"ok,omitempty"`
	Lock  uint64            `json:"lock,omitempty"`
	// Missing says that the key does not exist.
	Missing bool `json:"missing,omitempty"`
	// Code and Error say what went wrong.
	Code  resource.Code `json:"code,omitempty"`
	Error string        `json:"error,omitempty"`
}

// Server answers other processes at the socket.
type Server struct {
	storage *Storage
	dir     string
	server  *http.Server
	served  chan struct{} // closed when nothing is accepted any more

	mu    sync.Mutex
	last  uint64
	locks map[uint64]*loan
}

// loan is a lock that another process has.
type loan struct {
	back     chan struct{} // closed when it is given back
	released chan struct{} // closed when it is free; err is set then
	err      error
	once     sync.Once
}

// Serve answers other processes of the same user until it is closed. The caller has the store in dir open.
func Serve(dir string, storage *Storage) (*Server, error) {
	l, err := listen(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{storage: storage, dir: dir, served: make(chan struct{}), locks: map[uint64]*loan{}}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(l) // it ends when it is closed
	}()
	return s, nil
}

// Close stops answering. What other processes have locked is given back.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.served
	if removed := os.Remove(filepath.Join(s.dir, SocketName)); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	for _, l := range s.loans() {
		l.once.Do(func() { close(l.back) })
		<-l.released
	}
	return err
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q question
	r.Body = http.MaxBytesReader(w, r.Body, 2*MaxValue)
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		reply(w, failed(&resource.Error{Code: resource.BadRequest, Message: "the request cannot be read", Err: err}))
		return
	}
	switch r.URL.Path {
	case "/lock":
		s.lock(w, r, q, true)
	case "/trylock":
		s.lock(w, r, q, false)
	default:
		reply(w, s.answer(r.Context(), r.URL.Path, q))
	}
}

func (s *Server) answer(ctx context.Context, path string, q question) (a answer) {
	var err error
	switch path {
	case "/ping":
	case "/load":
		a.Value, err = s.storage.Read(ctx, q.Key)
	case "/store":
		err = s.storage.Store(ctx, q.Key, q.Value)
	case "/delete":
		err = s.storage.Delete(ctx, q.Key)
	case "/exists":
		a.OK = s.storage.Exists(ctx, q.Key)
	case "/list":
		a.Keys, err = s.storage.List(ctx, q.Key, q.Recursive)
	case "/stat":
		a.Info, err = s.storage.Stat(ctx, q.Key)
	case "/renew":
		err = s.storage.RenewLockLease(ctx, q.Key, q.Lease)
	case "/unlock":
		err = s.giveBack(q.Lock)
	default:
		err = resource.Errorf(resource.BadRequest, "the process that has the store open knows no %s: it is of another version", path)
	}
	if err != nil {
		return failed(err)
	}
	return a
}

func failed(err error) answer {
	return answer{Missing: errors.Is(err, fs.ErrNotExist), Code: resource.CodeOf(err), Error: err.Error()}
}

func reply(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a) // who asked is gone otherwise
}

// lock answers with a lock, and lasts until that is given back or the other process is gone.
func (s *Server) lock(w http.ResponseWriter, r *http.Request, q question, wait bool) {
	take := s.storage.TryLock
	if wait {
		take = func(ctx context.Context, name string) (bool, error) { return true, s.storage.Lock(ctx, name) }
	}
	ok, err := take(r.Context(), q.Key)
	if err != nil || !ok {
		a := answer{}
		if err != nil {
			a = failed(err)
		}
		reply(w, a)
		return
	}
	l := &loan{back: make(chan struct{}), released: make(chan struct{})}
	s.mu.Lock()
	s.last++
	id := s.last
	s.locks[id] = l
	s.mu.Unlock()
	reply(w, answer{OK: true, Lock: id})
	_ = http.NewResponseController(w).Flush() // an error ends the request
	select {
	case <-l.back:
	case <-r.Context().Done():
	}
	l.err = s.storage.Unlock(context.WithoutCancel(r.Context()), q.Key)
	s.mu.Lock()
	delete(s.locks, id)
	s.mu.Unlock()
	close(l.released)
}

func (s *Server) giveBack(id uint64) error {
	s.mu.Lock()
	l := s.locks[id]
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	l.once.Do(func() { close(l.back) })
	<-l.released
	return l.err
}

func (s *Server) loans() (all []*loan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.locks {
		all = append(all, l)
	}
	return all
}
