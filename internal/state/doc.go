// Package state keeps what DGate stores: it applies commands to a bbolt file, checks references
// and claims, tells subscribers what changed, and writes and reads snapshots.
//
// Everything that decides what is stored is a pure function of a command and of what is stored
// already. The package reads no clock, no random numbers and no configuration while it applies,
// so that all nodes which apply the same log hold the same bytes; a rolling hash proves it.
//
// What it does not do: it knows neither raft nor Caddy, agrees with nobody on the order of
// commands, validates no resource by itself (package resource does), compiles no module, and
// writes no logs. Package raftstorage feeds it.
//
// # Files
//
// A directory belongs to one open [DB]. It holds state.db, which is written without fsync: the
// raft log is what makes writes durable, and state.db can always be rebuilt from it. The file
// named dirty holds the boot id of the kernel while the state is open; after a crash of the
// process the page cache is intact and state.db is kept, after a crash of the machine (another
// boot id) it is deleted and rebuilt.
//
// # Commands
//
// A log entry is one format byte and a protobuf message (see envelope.go for the fields). The
// proposer computes references, claims and prints and ships them, so that two versions of the program
// never derive different indexes from the same entry. What a node does not understand, it does
// not apply: it stops with a clear error ([DB.Halted]) and serves on what it has.
//
// # Snapshots and backups
//
// A snapshot is the whole state; a node restores it in place of its own. A backup has what users
// own; it is restored by a command ([Restore]), on all nodes or on none, and what is about the
// servers of the cluster stays. Both are verified to their last byte before anything changes.
package state
