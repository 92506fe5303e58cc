package raftstorage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// method answers a request of another member, or of this server itself. What it returns is sent
// as JSON, a []byte as it is, and an [io.WriterTo] as a stream. Its errors keep code, message and
// fields on the way.
type method func(ctx context.Context, from peer.Identity, r *http.Request) (any, error)

// methods are the requests that a server answers, by name.
func (s *store) methods() map[string]method {
	all := map[string]method{
		"propose":   s.servePropose,
		"barrier":   s.serveBarrier,
		"compare":   s.serveCompare,
		"snapshot":  s.serveSnapshot,
		"keepalive": s.serveKeepAlive,
	}
	maps.Copy(all, s.memberMethods())
	return all
}

// What every request carries.
const (
	headerCluster = "X-DGate-Cluster-ID"
	headerServer  = "X-DGate-Server-ID"
	headerTimeout = "X-DGate-Timeout" // milliseconds that the caller waits
	pathPrefix    = "/v1/"
)

// maxMessage bounds the JSON of requests and of answers.
const maxMessage = 4 << 20

// errNotLeader is the cause of the answer of a server that does not lead to what only a leader can
// do. Nothing has been done then.
var errNotLeader = errors.New("this server does not lead")

// notLeader is that answer.
func notLeader() error {
	return &resource.Error{Code: resource.NoLeader, Message: errNotLeader.Error(), Err: errNotLeader}
}

// ServeHTTP answers the requests of other members.
func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	result, err := s.serve(r)
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(toWire(err)) // whoever has gone needs no answer
		return
	}
	switch v := result.(type) {
	case []byte:
		_, err = w.Write(v) //nolint:gosec // members are sent bytes, not pages
	case io.WriterTo:
		_, err = v.WriteTo(w)
	default:
		w.Header().Set("Content-Type", "application/json")
		err = json.NewEncoder(w).Encode(v)
	}
	if err != nil {
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http asks for it: nobody must take what was sent for all of it
	}
}

// serve finds the method of a request and runs it.
func (s *store) serve(r *http.Request) (any, error) {
	if !s.serving.Load() {
		return nil, notLeader() // this server is being opened
	}
	name, ok := strings.CutPrefix(r.URL.Path, pathPrefix)
	run := s.table[name]
	if !ok || run == nil || r.Method != http.MethodPost {
		return nil, resource.Errorf(resource.NotFound, "this server has no method %q; perhaps it runs an older version", name)
	}
	from := peer.From(r.Context())
	switch id := r.Header.Get(headerServer); {
	case from.Edge:
		return nil, resource.Errorf(resource.Unauthorized, "%s is not for edge nodes", name)
	case from.ServerID == "":
		from.ServerID = id
	case id != from.ServerID:
		return nil, resource.Errorf(resource.Unauthorized, "the certificate is that of server %s and the request that of server %s", from.ServerID, id)
	}
	if theirs, ours := r.Header.Get(headerCluster), s.db.ClusterID(); !forAll(name) && theirs != "" && ours != "" && theirs != ours {
		return nil, resource.Errorf(resource.Conflict, "server %s belongs to cluster %s and server %s to cluster %s", from.ServerID, theirs, s.id(), ours)
	}
	ctx := r.Context()
	if ms, err := strconv.ParseInt(r.Header.Get(headerTimeout), 10, 64); err == nil && ms > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		defer cancel()
	}
	return run(ctx, from, r)
}

// decode reads the JSON of a request.
func decode(r *http.Request, in any) error {
	if err := json.NewDecoder(io.LimitReader(r.Body, maxMessage)).Decode(in); err != nil {
		return &resource.Error{Code: resource.BadRequest, Message: "the request cannot be read", Err: err}
	}
	return nil
}

// call has the server at address run a method. The request is in: nil, a []byte or an [io.Reader]
// as they are, anything else as JSON. The answer goes to out: nil, a *[]byte or an [io.Writer] as
// it is, anything else from JSON. For errors that say that nothing was done see [undone].
func (s *store) call(ctx context.Context, address, name string, in, out any) error {
	m := s.member.Load()
	if m == nil || m.port == nil {
		return noCluster()
	}
	if s.cfg.link != nil {
		if err := s.cfg.link(address); err != nil {
			return fmt.Errorf("%s of %s: %w", name, address, err)
		}
	}
	r, err := s.request(ctx, "https://"+address, name, in)
	if err != nil {
		return err
	}
	resp, err := m.port.Client().Do(r)
	if gone, ok := errors.AsType[*peer.Error](err); ok {
		return gone // it names the address, which what is around it repeats
	}
	if err != nil {
		return fmt.Errorf("%s of %s: %w", name, address, cmp.Or(errors.Unwrap(err), err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var wire wireError
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxMessage)).Decode(&wire); err != nil {
			return fmt.Errorf("%s of %s: %s", name, address, resp.Status)
		}
		return wire.error()
	}
	if err := receive(resp.Body, out); err != nil {
		return fmt.Errorf("%s of %s: %w", name, address, err)
	}
	return nil
}

// request makes a request to another member, or to this one.
func (s *store) request(ctx context.Context, base, name string, in any) (*http.Request, error) {
	var body io.Reader
	switch v := in.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(v)
	case io.Reader:
		body = v
	default:
		data, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+pathPrefix+name, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.Header.Set(headerServer, string(s.id()))
	if id := s.db.ClusterID(); id != "" {
		r.Header.Set(headerCluster, id)
	}
	if deadline, ok := ctx.Deadline(); ok {
		r.Header.Set(headerTimeout, strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 1), 10))
	}
	return r, nil
}

// receive takes over an answer.
func receive(body io.Reader, out any) (err error) {
	switch v := out.(type) {
	case nil:
	case *[]byte:
		*v, err = io.ReadAll(io.LimitReader(body, maxMessage))
	case io.Writer:
		_, err = io.Copy(v, body)
	default:
		err = json.NewDecoder(io.LimitReader(body, maxMessage)).Decode(out)
	}
	return err
}

// callSelf runs a method of this server.
func (s *store) callSelf(ctx context.Context, name string, in, out any) error {
	r, err := s.request(ctx, "https://self", name, in)
	if err != nil {
		return err
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	run := s.table[name]
	if run == nil {
		return resource.Errorf(resource.Internal, "no method %q", name)
	}
	result, err := run(ctx, peer.Identity{Cluster: s.clusterName(), ServerID: string(s.id())}, r)
	if err != nil || out == nil {
		return err
	}
	var answer bytes.Buffer
	switch v := result.(type) {
	case []byte:
		answer.Write(v)
	case io.WriterTo:
		_, err = v.WriteTo(&answer)
	default:
		err = json.NewEncoder(&answer).Encode(v)
	}
	return cmp.Or(err, receive(&answer, out))
}

// asks are the methods that can be called again whatever became of the first call.
var asks = map[string]bool{"barrier": true, "compare": true, "keepalive": true}

// callLeader has the leader run a method, which may be this server. It waits up to 5 s for a
// leader, and asks the next one if nothing was done. An [io.Reader] is sent once only.
func (s *store) callLeader(ctx context.Context, name string, in, out any) error {
	waiting, cancel := context.WithTimeoutCause(ctx, s.cfg.timing.leaderWait, errors.New("none was elected in time"))
	defer cancel()
	_, once := in.(io.Reader)
	var last error
	for {
		l, err := s.leading.wait(waiting)
		if err != nil {
			return s.noLeader(cmp.Or(last, err))
		}
		reign, end := ctx, context.CancelFunc(func() {})
		if asks[name] { // what changes who leads must not end with it
			reign, end = s.leading.reign(ctx, l)
		}
		if l.self {
			last = s.callSelf(reign, name, in, out)
		} else {
			last = s.call(reign, s.at(l), name, in, out)
		}
		deposed := context.Cause(reign) == errDeposed //nolint:errorlint // it is not wrapped
		end()
		if last == nil || once || !undone(last) && !(deposed && asks[name]) {
			return last
		}
		if waiting.Err() != nil {
			return s.noLeader(last)
		}
		s.leading.other(waiting, l, retryPause)
	}
}

// at is where a leader is; it can have moved since it was elected.
func (s *store) at(l leader) string {
	return string(s.addresses.of(l.id, raft.ServerAddress(l.address)))
}

// undone tells errors of calls after which nothing was done: the request did not arrive, or the
// server that it was for does not lead.
func undone(err error) bool { return errors.Is(err, errNotLeader) || peer.NotSent(err) }

// noLeader is the error of what needs a leader when there is none.
func (s *store) noLeader(err error) error {
	text := "there is no leader at the moment; try again"
	if why := cmp.Or(s.lonely(), s.parted()); why != "" {
		text = why
	}
	return &resource.Error{Code: resource.NoLeader, Message: text, Err: err}
}
