package resource

import "errors"

var namespaceKind = Kind{
	Name: "namespace", Plural: "namespaces", Aliases: []string{"ns"}, Scope: Global, Routed: true, MaxBody: smallBody,
	Help: "A set of resources with names of their own; each request is routed within one.",
	New:  func() Object { return new(Namespace) },
}

// Namespace separates the resources of one tenant or product from those of others.
// Its fields are described by their help tags.
type Namespace struct {
	Name string   `json:"name" dgate:"required" help:"Name of the namespace."`
	Tags []string `json:"tags,omitempty" help:"Free words for people and modules."`
	Meta `json:"-"`
}

// Key implements [Object].
func (n *Namespace) Key() Key { return Key{Kind: "namespace", Name: n.Name} }

// SetKey implements [Object].
func (n *Namespace) SetKey(k Key) { n.Name = k.Name }

// Validate implements [Object].
func (n *Namespace) Validate() error {
	n.Tags = unique(n.Tags)
	return errors.Join(append(checkTags(n.Tags), checkName("name", n.Name))...)
}

// References implements [Object]: a namespace needs nothing.
func (n *Namespace) References() []Reference { return nil }

// Claims implements [Object]: a namespace claims nothing.
func (n *Namespace) Claims() []Claim { return nil }
