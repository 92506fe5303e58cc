// Package original reads the resources of a running original DGate (Go, v0.11) over its admin API.
//
// It asks for what that server has, namespace by namespace, works around the mistakes of its
// answers, and says what it does not give away. It changes nothing there, and judges nothing: what
// this DGate does not accept is found out when the resources are stored.
package original

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Server is an original DGate.
type Server struct {
	// Client has its address; see [adminclient.Options.Original].
	Client *adminclient.Client
	// Header is sent with each request, such as a key.
	Header http.Header
}

// Found is what a server has.
type Found struct {
	// Objects are its resources, in dependency order. They are not validated.
	Objects []resource.Object
	// Unread are resources, and parts of them, that could not be read.
	Unread []Unread
}

// Unread is something that could not be read.
type Unread struct {
	// Key is what it belongs to.
	Key resource.Key
	// Why says what it is, and why or what to do.
	Why string
}

// Read reads all resources of a namespace, or of all namespaces for "". What the server refuses to
// show is part of what was found; the error is about a server that cannot be read at all.
func (s Server) Read(ctx context.Context, namespace string) (*Found, error) {
	namespaces, err := s.list(ctx, resource.MustKind("namespace"), nil)
	if err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	r := &reader{server: s, found: new(Found)}
	there := false
	for _, raw := range namespaces {
		obj := r.take(resource.MustKind("namespace"), raw, "")
		if obj == nil || namespace != "" && obj.Key().Name != namespace {
			continue
		}
		there = true
		r.found.Objects = append(r.found.Objects, obj)
		if err := r.namespace(ctx, obj.Key().Name); err != nil {
			return nil, err
		}
	}
	if namespace != "" && !there {
		return nil, fmt.Errorf("the server has no namespace %s", namespace)
	}
	slices.SortStableFunc(r.found.Objects, func(a, b resource.Object) int { return rank(a) - rank(b) })
	return r.found, nil
}

// rank is the place of an object in dependency order.
func rank(obj resource.Object) int {
	return slices.Index(resource.All, resource.MustKind(obj.Key().Kind))
}

// reader reads one server.
type reader struct {
	server Server
	found  *Found
}

func (r *reader) unread(key resource.Key, format string, args ...any) {
	r.found.Unread = append(r.found.Unread, Unread{key, fmt.Sprintf(format, args...)})
}

// namespace reads what is in a namespace.
func (r *reader) namespace(ctx context.Context, namespace string) error {
	for _, kind := range resource.All {
		if kind.Scope != resource.InNamespace {
			continue
		}
		list, err := r.server.list(ctx, kind, url.Values{"namespace": {namespace}})
		if err := r.refused(resource.Key{Kind: "namespace", Name: namespace}, kind.Plural, err); err != nil {
			return err
		}
		for _, raw := range list {
			obj := r.take(kind, raw, namespace)
			if obj == nil {
				continue
			}
			keep, err := r.repair(ctx, obj)
			if err != nil {
				return err
			}
			if keep {
				r.found.Objects = append(r.found.Objects, obj)
			}
			if kind.Name != "collection" {
				continue
			}
			if err := r.documents(ctx, obj.Key()); err != nil {
				return err
			}
		}
	}
	return nil
}

// take decodes a resource as the server lists it. It is nil if that is not possible.
func (r *reader) take(kind *resource.Kind, raw json.RawMessage, namespace string) resource.Object {
	obj, err := resource.Decode(kind, raw, resource.Lenient)
	if err != nil {
		var name struct{ Name, ID string }
		_ = json.Unmarshal(raw, &name) // what has none is said without it
		r.unread(resource.Key{Kind: kind.Name, Namespace: namespace, Name: name.Name + name.ID}, "%v", err)
		return nil
	}
	if key := obj.Key(); kind.Scope != resource.Global {
		key.Namespace = namespace
		obj.SetKey(key)
	}
	return obj
}

// repair puts right what the server does not tell in a list. keep is false for what is of no use.
func (r *reader) repair(ctx context.Context, obj resource.Object) (keep bool, err error) {
	switch o := obj.(type) {
	case *resource.Route:
		// The entry was the first in the alphabet, whatever the order they were given in.
		slices.Sort(o.Modules)
	case *resource.Secret:
		r.unread(o.Key(), "the server does not show its value; set it by hand")
		return false, nil
	case *resource.Collection:
		o.Type = cmp.Or(o.Type, resource.TypeDocument) // lists give it as empty
	case *resource.Domain:
		err = r.priority(ctx, o)
	}
	return true, err
}

// priority reads the priority of a domain, which lists give as 0.
func (r *reader) priority(ctx context.Context, d *resource.Domain) error {
	var body struct {
		Data struct{ Priority *int }
	}
	err := r.server.get(ctx, []string{"domain", d.Name}, url.Values{"namespace": {d.Namespace}}, &body)
	if _, refused := errors.AsType[*adminclient.Error](err); err != nil && !refused {
		return err
	}
	if err != nil || body.Data.Priority == nil {
		r.unread(d.Key(), "the server does not show its priority; it is taken to be 0")
		return nil
	}
	d.Priority = *body.Data.Priority
	return nil
}

// refused notes what the server does not show. Other errors are those of the whole.
func (r *reader) refused(key resource.Key, what string, err error) error {
	if e, ok := errors.AsType[*adminclient.Error](err); ok {
		r.unread(key, "its %s cannot be read: %v", what, e)
		return nil
	}
	return err
}

// list reads the resources of a kind.
func (s Server) list(ctx context.Context, kind *resource.Kind, query url.Values) ([]json.RawMessage, error) {
	var body struct{ Data []json.RawMessage }
	err := s.get(ctx, []string{kind.Name}, query, &body)
	return body.Data, err
}

// get reads the answer to a request below /api/v1.
func (s Server) get(ctx context.Context, path []string, query url.Values, into any) error {
	answer, err := s.Client.Do(ctx, adminclient.Call{
		Method: http.MethodGet, Path: append([]string{"api", "v1"}, path...), Query: query, Header: s.Header,
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return fmt.Errorf("what answers for %s is not an original DGate: %w", path[0], err)
	}
	return nil
}
