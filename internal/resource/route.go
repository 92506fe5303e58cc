package resource

import (
	"errors"
	"slices"
	"strings"
)

var routeKind = Kind{
	Name: "route", Plural: "routes", Aliases: []string{"rt"}, Scope: InNamespace, Routed: true, MaxBody: smallBody,
	Help: "Paths and methods, what they are proxied to, and the modules that run.",
	New:  func() Object { return new(Route) },
}

// MaxPaths is how many patterns one route may have.
const MaxPaths = 256

// MaxModules is how many modules one route may list.
const MaxModules = 64

// Methods are the HTTP methods that routes may name; "*" stands for all of them.
var Methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}

// Route connects requests to a service, to modules, or to both. Its fields are described by their help tags.
type Route struct {
	Name         string   `json:"name" dgate:"required" help:"Name of the route."`
	Paths        []string `json:"paths" dgate:"required" help:"Patterns: /users, /users/{id}, /users/{id:[0-9]+}, /files/*."`
	Methods      []string `json:"methods" dgate:"required" help:"HTTP methods in upper case, or * alone for all."`
	PreserveHost bool     `json:"preserveHost" help:"Send the client's Host header upstream instead of the service's."`
	StripPath    bool     `json:"stripPath" help:"Remove the matched part of the path before proxying."`
	Service      string   `json:"service,omitempty" help:"Service to proxy to; without one a module must answer."`
	Namespace    string   `json:"namespace" dgate:"default=default" help:"Namespace of the route, its service and its modules."`
	Modules      []string `json:"modules,omitempty" help:"Modules: the first is the entry whose hooks run, the others can be imported."`
	Tags         []string `json:"tags,omitempty" help:"Free words for people and modules."`
	Meta         `json:"-"`
}

// Key implements [Object].
func (r *Route) Key() Key { return Key{Kind: "route", Namespace: r.Namespace, Name: r.Name} }

// SetKey implements [Object].
func (r *Route) SetKey(k Key) { r.Namespace, r.Name = k.Namespace, k.Name }

// Validate implements [Object].
func (r *Route) Validate() error {
	r.Paths, r.Methods = unique(r.Paths), unique(r.Methods)
	r.Modules, r.Tags = unique(r.Modules), unique(r.Tags)
	errs := checkScoped(r.Name, r.Namespace, r.Tags)
	errs = append(errs, r.checkPaths()...)
	errs = append(errs, r.checkMethods()...)
	if r.Service != "" {
		errs = append(errs, checkName("service", r.Service))
	}
	if len(r.Modules) > MaxModules {
		errs = append(errs, Invalid("modules", "", "must not be more than %d", MaxModules))
	}
	for i, m := range r.Modules {
		errs = append(errs, checkName(index("modules", i), m))
	}
	return errors.Join(errs...)
}

func (r *Route) checkPaths() []error {
	switch {
	case len(r.Paths) == 0:
		return []error{Invalid("paths", "", "are required")}
	case len(r.Paths) > MaxPaths:
		return []error{Invalid("paths", "", "must not be more than %d", MaxPaths)}
	}
	var errs []error
	seen := map[string]string{}
	for i, path := range r.Paths {
		if problem := checkPattern(path); problem != "" {
			errs = append(errs, Invalid(index("paths", i), path, "%s", problem))
			continue
		}
		shape := patternShape(path)
		if twin, ok := seen[shape]; ok {
			errs = append(errs, Invalid(index("paths", i), path, "matches the same requests as %s", twin))
		}
		seen[shape] = path
	}
	return errs
}

func (r *Route) checkMethods() []error {
	if len(r.Methods) == 0 {
		return []error{&FieldError{Field: "methods", Problem: "are required", Sentence: "route must have at least one method"}}
	}
	if slices.Contains(r.Methods, "*") {
		if len(r.Methods) > 1 {
			return []error{&FieldError{Field: "methods", Problem: "must not have other methods beside *", Sentence: "route methods cannot have other methods with *"}}
		}
		return nil
	}
	var errs []error
	for i, m := range r.Methods {
		if !slices.Contains(Methods, m) {
			e := Invalid(index("methods", i), m, "must be one of %s, or *", strings.Join(Methods, ", "))
			e.Sentence = "unsupported method: " + e.Value
			errs = append(errs, e)
		}
	}
	return errs
}

// EachMethod lists the methods that the route answers, with "*" spelled out.
func (r *Route) EachMethod() []string {
	if len(r.Methods) == 1 && r.Methods[0] == "*" {
		return Methods
	}
	return r.Methods
}

// References implements [Object].
func (r *Route) References() []Reference {
	refs := []Reference{namespaceRef(r.Namespace)}
	if r.Service != "" {
		refs = append(refs, Reference{Field: "service", Target: Key{Kind: "service", Namespace: r.Namespace, Name: r.Service}})
	}
	for i, m := range r.Modules {
		refs = append(refs, Reference{Field: index("modules", i), Target: Key{Kind: "module", Namespace: r.Namespace, Name: m}})
	}
	return refs
}

// Claims implements [Object]: every method and pattern belongs to one route of the namespace.
func (r *Route) Claims() []Claim {
	var claims []Claim
	for i, path := range r.Paths {
		shape := patternShape(path)
		for _, m := range r.EachMethod() {
			claims = append(claims, Claim{Field: index("paths", i), Token: m + " " + shape, Text: m + " " + path})
		}
	}
	return claims
}
