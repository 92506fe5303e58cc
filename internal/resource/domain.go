package resource

import "errors"

var domainKind = Kind{
	Name: "domain", Plural: "domains", Aliases: []string{"dom"}, Scope: InNamespace, Routed: true, MaxBody: smallBody,
	Help: "Host names that belong to a namespace, and which certificates they are served with.",
	New:  func() Object { return &Domain{TLS: TLSAuto} },
}

// What domains say about certificates that Caddy obtains.
const (
	// TLSAuto obtains certificates for the exact names.
	TLSAuto = "auto"
	// TLSEach also obtains one for each name that is asked for and matches.
	TLSEach = "each"
	// TLSOff obtains none.
	TLSOff = "off"
)

// MaxPatterns is how many patterns one domain may have.
const MaxPatterns = 1000

// Domain gives the requests for some hosts to a namespace. Its fields are described by their help
// tags. What is stored of PrivateKey is encrypted: see package change.
type Domain struct {
	Name       string   `json:"name" dgate:"required" help:"Name of the domain."`
	Namespace  string   `json:"namespace" dgate:"default=default" help:"Namespace whose routes answer for the hosts."`
	Patterns   []string `json:"patterns" dgate:"required" help:"Hosts: example.com, *.example.com, api.*, *shop*, * or /regular expression/. Case does not count."`
	Priority   int      `json:"priority" help:"Of the domains that match a host, the one with the highest priority has it; of equal ones, the one whose name is last in the alphabet."`
	Cert       string   `json:"cert" dgate:"quiet" help:"Certificate chain, the own one first: PEM, or base64 of PEM. It must name the patterns. Names that it is for and that match a pattern are served with it; for them, none is obtained."`
	PrivateKey string   `json:"key" dgate:"secret" help:"Private key of the certificate: PEM, or base64 of PEM. It is answered as **redacted**; sent back like that, the stored key stays."`
	TLS        string   `json:"tls" dgate:"default=auto" help:"Which certificates are obtained when a client asks for a name: auto: for exact names; each: also for every name under a wildcard such as *.example.com, one for each; off: none."`
	Prefetch   bool     `json:"prefetch,omitempty" help:"Obtain the certificates for exact names as soon as the domain is stored, instead of when the first client comes."`
	Tags       []string `json:"tags,omitempty" help:"Free words for people and modules."`
	Meta       `json:"-"`
}

// Key implements [Object].
func (d *Domain) Key() Key { return Key{Kind: "domain", Namespace: d.Namespace, Name: d.Name} }

// SetKey implements [Object].
func (d *Domain) SetKey(k Key) { d.Namespace, d.Name = k.Namespace, k.Name }

// Validate implements [Object]. It leaves certificates in cert, the key in key, and nothing else
// that was there.
func (d *Domain) Validate() error {
	d.Patterns, d.Tags = unique(d.Patterns), unique(d.Tags)
	errs := checkScoped(d.Name, d.Namespace, d.Tags)
	patterns, wrong := d.checkPatterns()
	errs = append(errs, wrong...)
	switch d.TLS {
	case "":
		d.TLS = TLSAuto
	case TLSAuto, TLSEach, TLSOff:
	default:
		errs = append(errs, Invalid("tls", d.TLS, "must be auto, each or off"))
	}
	return errors.Join(append(errs, d.checkCertificate(patterns)...)...)
}

func (d *Domain) checkPatterns() ([]HostPattern, []error) {
	switch {
	case len(d.Patterns) == 0:
		return nil, []error{Invalid("patterns", "", "are required")}
	case len(d.Patterns) > MaxPatterns:
		return nil, []error{Invalid("patterns", "", "must not be more than %d", MaxPatterns)}
	}
	parsed := make([]HostPattern, len(d.Patterns))
	var errs []error
	for i, text := range d.Patterns {
		var err error
		if parsed[i], err = ParseHostPattern(text); err != nil {
			errs = append(errs, Invalid(index("patterns", i), text, "%s", err))
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return parsed, nil
}

// References implements [Object].
func (d *Domain) References() []Reference { return []Reference{namespaceRef(d.Namespace)} }

// Claims implements [Object]: a domain claims nothing. Which of two has a host is said by their
// priorities.
func (d *Domain) Claims() []Claim { return nil }
