package hook

import (
	"crypto/rand"
	"io"
	"net/http"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// Scope is one request as scripts see it. It is made once per request, may be
// run on several VMs one after the other, and is used by one goroutine at a time.
type Scope struct {
	w    http.ResponseWriter
	r    *http.Request
	info Info

	status int   // what response.status() chose, 0 if nothing
	wrote  bool  // the header of the answer has been written
	rest   *rest // of the answer, what is still to be sent; nil if there is nothing
	broken error // why a script has not made all of the content

	pathSet, hostSet bool
	body             requestBody
	query            *pairs

	values map[string]kept
	kept   *bags

	// failed is the error of the last hook that failed, and failedOn the VM that
	// its thrown value lives on.
	failed   *js.Error
	failedOn *js.VM

	frame *frame
	first frame
	late  *late // what a Worker has left to be done after its answer, or nil
}

// rest is content of an answer.
type rest struct {
	body io.ReadCloser
	size int64 // -1 if it is not known
}

// bags are what scripts have left on the views, as JSON between hooks.
type bags struct{ locals, ctx, request, response []byte }

// bags returns what is kept. It is made for the few requests that need it: each Scope is smaller
// without.
func (s *Scope) bags() *bags {
	if s.kept == nil {
		s.kept = new(bags)
	}
	return s.kept
}

// NewScope makes the Scope of a request. Answers go to w; what scripts change in
// the request is changed in r itself.
func NewScope(w http.ResponseWriter, r *http.Request, info Info) *Scope {
	return &Scope{w: w, r: r, info: info}
}

// Request is the request in its present state.
func (s *Scope) Request() *http.Request { return s.r }

// Answered tells whether a script has begun to answer the request.
func (s *Scope) Answered() bool { return s.wrote }

// PathChanged tells whether a script has set request.path: then the path is the
// script's own and no pattern needs to be stripped from it.
func (s *Scope) PathChanged() bool { return s.pathSet }

// HostChanged tells whether a script has set request.host: then the upstream gets
// that host, whatever the route says about preserving the client's.
func (s *Scope) HostChanged() bool { return s.hostSet }

// ID identifies the request.
func (s *Scope) ID() string {
	if s.info.ID == "" {
		s.info.ID = rand.Text()
	}
	return s.info.ID
}

// writeHeader sends the header of the answer once, with the status that was chosen or else fallback.
func (s *Scope) writeHeader(fallback int) {
	if s.wrote {
		return
	}
	s.writeHead(s.statusOr(fallback), -1)
}

// writeHead sends the header of an answer whose body has that length, -1 if it is not known.
func (s *Scope) writeHead(status int, length int64) {
	s.wrote = true
	header := s.w.Header()
	for _, name := range Framing {
		if name != "Content-Length" || s.r.Method != http.MethodHead {
			delete(header, name)
		}
	}
	if length >= 0 && bodyAllowed(status) {
		setLength(header, length)
	}
	s.w.WriteHeader(status)
}

// Framing are the headers that say where a message ends and what becomes of its connection. They
// are the server's: what a script sets of them on an answer is dropped.
var Framing = [...]string{"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Trailer", "Upgrade"}
