// Package raftstorage is the replicated store: it brings the commands of package state into one
// order that all nodes agree on, and keeps them on the disk.
//
// A [Node] is a member of a raft group. Alone, it is a group of one that bootstraps itself, needs
// no configuration, listens nowhere, and takes its first write within 100 ms. What is written
// goes to the raft log first (raft.db, synced) and is applied to the state (state.db, not synced,
// because it can be rebuilt).
//
// The package does not decide what a command does (package state does), validates and compiles
// no resources, has no notion of HTTP, and knows nothing of Caddy: whoever pools nodes across
// config reloads does it outside.
//
// DESIGN.md beside this file says why things are as they are.
package raftstorage
