// Package resource defines what DGate stores: the kinds of resources, their fields, and the
// rules that a resource must keep by itself.
//
// [All] is the only list of kinds. Admin routes, CLI nouns, replicated commands, resource files
// and documentation range over it, so a new kind is one file here and one entry in that list.
//
// The package looks at one resource at a time. Whether a reference exists, or a route collides
// with another one, depends on what is stored and is decided by package state; whether a module
// compiles is decided by package js.
package resource
