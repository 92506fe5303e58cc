package adminext

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// maxWait bounds how long a request waits for an index or for a leader.
const maxWait = 5 * time.Second

// Handler is the admin API.
type Handler struct {
	lookup func() (App, error)
	log    *zap.Logger
	cross  *http.CrossOriginProtection
}

// New makes the admin API of the app that lookup gives for each request. log is for requests that
// find no app.
func New(lookup func() (App, error), log *zap.Logger) *Handler {
	return &Handler{lookup: lookup, log: log, cross: http.NewCrossOriginProtection()}
}

// call is one request on its way.
type call struct {
	app   App
	db    *state.DB // nil for endpoints that need no store
	w     http.ResponseWriter
	r     *http.Request
	log   *zap.Logger
	index uint64 // what the answer is at least as new as

	kind *resource.Kind // for endpoints of resources
	key  []string       // the segments after the kind or the noun, decoded
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, log: h.log}
	rep, err := h.answer(c)
	if err != nil {
		var internal bool
		rep, internal = errorReply(err)
		if r.Context().Err() != nil {
			internal = false // the client left, and that is why
		}
		if internal {
			c.logInternal(err)
		}
	}
	rep.write(w, c.index)
}

// logInternal tells the operator what the client is not told.
func (c *call) logInternal(err error) {
	c.log.Error("admin request failed", zap.String("method", c.r.Method), zap.String("path", c.r.URL.Path), zap.Error(err))
}

// panicError is a bug of ours that a request ran into.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

// answer does everything but writing. Nothing has been written when it returns.
func (h *Handler) answer(c *call) (rep *reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			rep, err = nil, &panicError{p, debug.Stack()}
		}
	}()
	if err := h.cross.Check(c.r); err != nil {
		return nil, refuse(http.StatusForbidden, resource.Unauthorized, "writes from pages of other origins are refused")
	}
	e, err := c.route()
	if err != nil {
		h.indexOf(c)
		return nil, err
	}
	if c.app, err = h.lookup(); err != nil {
		return nil, err
	}
	c.log, c.index = c.app.Logger(), c.app.Index()
	if !e.alive {
		if err := c.open(); err != nil {
			return nil, err
		}
	}
	return e.run(c)
}

// indexOf puts the index into answers that need nothing else of the app.
func (h *Handler) indexOf(c *call) {
	if app, err := h.lookup(); err == nil {
		c.index = app.Index()
	}
}

// open opens the store, and waits for what the request wants to see.
func (c *call) open() error {
	ctx, cancel := context.WithTimeout(c.r.Context(), maxWait)
	defer cancel()
	var err error
	if c.db, err = c.app.State(ctx); err != nil {
		return err
	}
	c.index = c.db.Applied()
	query := c.r.URL.Query()
	switch mode := query.Get("consistency"); mode {
	case "", "local":
	case "strong":
		if err := c.app.Barrier(ctx); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return &resource.Error{Code: resource.NoLeader, Message: "no leader answered in time", Err: err}
			}
			return err
		}
	default:
		return resource.Errorf(resource.BadRequest, "consistency must be local or strong")
	}
	if text := query.Get("index"); text != "" {
		index, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return resource.Errorf(resource.BadRequest, "index must be a number, as in X-DGate-Index")
		}
		if err := c.db.Wait(ctx, index); errors.Is(err, context.DeadlineExceeded) {
			return resource.Errorf(resource.IndexTimeout, "this node has applied index %d, and not yet %d", c.db.Applied(), index)
		} else if err != nil {
			return err
		}
	}
	c.index = c.db.Applied()
	return nil
}

// endpoint is one method of one path.
type endpoint struct {
	run func(*call) (*reply, error)
	// alive endpoints answer without the store.
	alive bool
}

// methods are the endpoints of one path.
type methods map[string]endpoint

// route finds the endpoint of the request.
func (c *call) route() (endpoint, error) {
	segments, ok := splitPath(c.r.URL)
	if !ok {
		return endpoint{}, pageNotFound()
	}
	found, err := c.methodsOf(segments)
	if err != nil {
		return endpoint{}, err
	}
	method := c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	if e, ok := found[method]; ok {
		return e, nil
	}
	return endpoint{}, &methodError{allow: found.allow()}
}

// methodsOf finds a path in the table of the node, or among the resources.
func (c *call) methodsOf(segments []string) (methods, error) {
	for _, p := range nodePaths {
		if has(segments, p.path...) {
			return p.methods, nil
		}
	}
	switch {
	case memberPath(segments):
		c.key = segments[2:]
		return methods{http.MethodDelete: {run: deleteMember}}, nil
	case raftAdminPath(segments):
		c.key = segments[1:]
		return methods{http.MethodPost: {run: runRaftAdmin}, http.MethodGet: {run: runRaftAdmin}}, nil
	}
	if len(segments) < 3 || !has(segments[:2], "api", "v1") {
		return nil, pageNotFound()
	}
	kind, ok := resource.ByName(segments[2])
	if !ok || kind.Name != segments[2] { // one path for one thing: no plurals, no aliases
		return nil, pageNotFound()
	}
	c.kind, c.key = kind, segments[3:]
	if isHealth(kind, c.key) {
		return serviceHealth, nil
	}
	if isDomainStatus(kind, c.key) {
		return domainStatus, nil
	}
	inCollection := kind.Scope == resource.InCollection
	switch len(c.key) {
	case 0:
		if inCollection {
			return v1Documents, nil
		}
		return v1Collection, nil
	case len(kind.KeyFields()):
		return item, nil
	case 1:
		if inCollection {
			return v1Document, nil
		}
		return v1One(kind), nil
	case 2:
		if inCollection {
			return documents, nil
		}
	}
	return nil, pageNotFound()
}

// allow is the value of the header Allow.
func (m methods) allow() string {
	var names []string
	for name := range m {
		names = append(names, name)
		if name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
