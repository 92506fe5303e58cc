package adminext

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func init() { caddy.RegisterModule(new(Site)) }

// Site is the admin API on a site: what it answers on Caddy's admin endpoint, under `/dgate/`.
// Requests for other paths go to the next handler.
//
// Whoever reaches it can change every resource and read every document. So either it has tokens,
// or something in front of it authenticates, such as `basic_auth`, `forward_auth` or client
// certificates; a server that others than this machine can reach and that has none of them is
// warned about in the log. Writes that a browser sends from pages of other origins are refused.
// Where there is neither, so is everything that a browser sends to another host than `localhost` or
// an IP address, since any page could have its own name lead here.
type Site struct {
	// Requests must have one of these in a header: `Authorization: Bearer <token>`. Placeholders
	// such as `{env.DGATE_ADMIN_TOKEN}` are replaced when the configuration is loaded. Health
	// checks, which are `/dgate/healthz`, `/dgate/health` and `/dgate/readyz`, need no token.
	// Default: none, and every request is answered.
	Tokens []string `json:"tokens,omitempty"`

	handler *Handler
	sums    [][sha256.Size]byte // of the tokens
	open    bool                // nothing is known to authenticate
}

// CaddyModule implements [caddy.Module].
func (*Site) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.dgate_admin", New: func() caddy.Module { return new(Site) }}
}

// Provision implements [caddy.Provisioner]. Errors name the variable that is empty, and not what
// is in it.
func (s *Site) Provision(ctx caddy.Context) error {
	repl := caddy.NewReplacer()
	for _, token := range s.Tokens {
		token, err := repl.ReplaceOrErr(token, true, true)
		if err != nil {
			return fmt.Errorf("token: %w", err)
		}
		if token == "" || strings.ContainsAny(token, " \t\r\n") {
			return errors.New("a token must not be empty, and have no spaces")
		}
		s.sums = append(s.sums, sha256.Sum256([]byte(token)))
	}
	s.handler = New(activeApp, ctx.Logger())
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	s.open = len(s.sums) == 0 && (!ok || !guarded(ctx, server))
	if ok && s.open {
		if addresses := public(server.Listen); len(addresses) > 0 {
			ctx.Logger().Warn("ANYBODY WHO REACHES THIS SERVER CAN CHANGE ITS RESOURCES: dgate_admin has no token, "+
				"and nothing that is known to authenticate comes before it; add dgate_admin { token {env.DGATE_ADMIN_TOKEN} }, "+
				"or basic_auth, or bind the site to 127.0.0.1", zap.Strings("listen", addresses))
		}
	}
	return nil
}

// ServeHTTP implements [caddyhttp.MiddlewareHandler].
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !strings.HasPrefix(r.URL.EscapedPath(), "/"+prefix+"/") {
		return next.ServeHTTP(w, r)
	}
	if rep := s.refusal(r); rep != nil {
		rep.write(w, 0) // which tells nothing about the store
		return nil
	}
	s.handler.ServeHTTP(w, vouch(r, len(s.sums) > 0 || authenticated(r)))
	return nil
}

// authenticated tells whether an authentication handler has found out who sends a request.
func authenticated(r *http.Request) bool {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return false
	}
	user, _ := repl.GetString("http.auth.user.id")
	return user != ""
}

// refusal is the answer to a request that must not reach the API, nil if it may.
func (s *Site) refusal(r *http.Request) *reply {
	// Caddy's matchers look at the decoded path without its dots: what is ../x after decoding
	// would not be authenticated as what it is for us.
	for segment := range strings.SplitSeq(r.URL.Path, "/") {
		if segment == "." || segment == ".." {
			rep, _ := errorReply(resource.Errorf(resource.BadRequest, "the path must have no segments . and .., also when they are encoded"))
			return rep
		}
	}
	if s.open && fromBrowser(r) && !unmistakable(r.Host) {
		rep, _ := errorReply(refuse(http.StatusForbidden, resource.Unauthorized, "browsers may only use localhost or an IP address here: dgate_admin has no token"))
		return rep
	}
	if s.admitted(r) {
		return nil
	}
	rep, _ := errorReply(resource.Errorf(resource.Unauthorized, "a bearer token is needed: Authorization: Bearer <token>"))
	rep.header.Set("WWW-Authenticate", `Bearer realm="DGate admin API"`)
	return rep
}

// fromBrowser tells whether a browser says that it sends a request. All do so for writes, and for
// reads over TLS.
func fromBrowser(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
}

// unmistakable tells whether a host is one that no page elsewhere can have as its own: its owner
// could change where any other name leads after the page was loaded (DNS rebinding).
func unmistakable(hostport string) bool {
	host := (&url.URL{Host: hostport}).Hostname()
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}

// admitted tells whether a request needs no token or has one, in a time that tells nothing about
// the tokens.
func (s *Site) admitted(r *http.Request) bool {
	if len(s.sums) == 0 || probe(r) {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	given, found := sha256.Sum256([]byte(strings.TrimSpace(token))), 0
	for _, sum := range s.sums {
		found |= subtle.ConstantTimeCompare(sum[:], given[:])
	}
	return found == 1
}

// probes are the paths that load balancers ask, which have no token.
var probes = []string{"/dgate/healthz", "/dgate/health", "/dgate/readyz"}

func probe(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && slices.Contains(probes, r.URL.EscapedPath())
}

var (
	_ caddy.Provisioner           = (*Site)(nil)
	_ caddyhttp.MiddlewareHandler = (*Site)(nil)
)
