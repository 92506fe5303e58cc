package hook

import "time"

// Info is what a Scope is told about the request it is for. The gateway fills
// it from its compiled table; nothing in it is changed by scripts.
type Info struct {
	// ID identifies the request; a random one is made when a script asks and it is empty.
	ID string
	// RemoteAddr is the address of the client without a port, as trusted proxies report it.
	RemoteAddr string
	// Params are the parameters of the route's pattern, "*" for the wildcard rest.
	Params []Param
	// MaxBody is how many bytes of a body a script may buffer. Zero means no limit.
	MaxBody int64
	// Service is what ctx.service() shows, or nil for a route without a service.
	Service *Service
	// Route is what ctx.route() shows, or nil where there is no route.
	Route *Route
	// Namespace is what ctx.namespace() shows, or nil where there is no namespace.
	Namespace *Namespace
}

// Param is one parameter of a route's pattern and its unescaped value.
type Param struct{ Name, Value string }

// Service is a service as scripts see it.
type Service struct {
	Name, Namespace  string
	URLs, Tags       []string
	Retries          int
	RetryTimeout     time.Duration
	ConnectTimeout   time.Duration
	RequestTimeout   time.Duration
	TLSSkipVerify    bool
	HTTP2Only        bool
	HideDGateHeaders bool
	DisableQuery     bool
}

// Route is a route as scripts see it.
type Route struct {
	Name, Namespace, Service      string
	Paths, Methods, Modules, Tags []string
	PreserveHost, StripPath       bool
}

// Namespace is a namespace as scripts see it.
type Namespace struct {
	Name string
	Tags []string
}

// fields lists what ctx.service() has, under the names of the resource's JSON.
func (s *Service) fields() []field {
	return []field{
		{"name", s.Name},
		{"namespace", s.Namespace},
		{"urls", s.URLs},
		{"retries", int64(s.Retries)},
		{"retryTimeout", int64(s.RetryTimeout)},
		{"connectTimeout", int64(s.ConnectTimeout)},
		{"requestTimeout", int64(s.RequestTimeout)},
		{"tlsSkipVerify", s.TLSSkipVerify},
		{"http2Only", s.HTTP2Only},
		{"hideDGateHeaders", s.HideDGateHeaders},
		{"disableQueryParams", s.DisableQuery},
		{"tags", s.Tags},
	}
}

func (r *Route) fields() []field {
	return []field{
		{"name", r.Name},
		{"namespace", r.Namespace},
		{"paths", r.Paths},
		{"methods", r.Methods},
		{"service", r.Service},
		{"modules", r.Modules},
		{"preserveHost", r.PreserveHost},
		{"stripPath", r.StripPath},
		{"tags", r.Tags},
	}
}

func (n *Namespace) fields() []field {
	return []field{{"name", n.Name}, {"tags", n.Tags}}
}
