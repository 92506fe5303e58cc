// Package change takes a change all the way: validate, check, compile, propose, live.
//
// Everything that writes resources, the admin API and resource files alike, goes through a
// [Writer], so that a change is refused for the same reasons wherever it comes from, and an
// accepted one is in use on this node when the call returns.
//
// The package decodes nothing and fills in nothing: a resource without a namespace is a mistake
// here, and what an absent one stands for is for the caller to say. It does not decide what is
// stored either; package state does, once more, when the change is applied.
package change
