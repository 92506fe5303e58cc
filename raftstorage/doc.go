// Package raftstorage is the replicated store: it brings the commands of package state into one
// order that all nodes agree on, and keeps them on the disk.
//
// A [Node] is a member of a raft group. Alone, it is a group of one that bootstraps itself, needs
// no configuration, listens nowhere, and takes its first write within 100 ms. What is written
// goes to the raft log first (raft.db, synced) and is applied to the state (state.db, not synced,
// because it can be rebuilt).
//
// With a [Cluster] a node has one port (package peer), and others join it or it joins others. Every
// node takes writes and forwards them to the leader, and serves what it has applied itself, also
// when there is no leader. What talks to others is started, restarted and ended while the store stays
// open, see [Node.Configure].
//
// The package does not decide what a command does (package state does), validates and compiles
// no resources, has no notion of the admin API, and knows nothing of Caddy: whoever pools nodes across
// config reloads does it outside.
//
// DESIGN.md beside this file says why things are as they are.
package raftstorage
