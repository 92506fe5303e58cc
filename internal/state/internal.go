package state

import "slices"

// The kinds of the store's own resources. They are not in the registry: nobody can name them from
// outside, and their data is the business of the package that each comment names. They are
// conditioned, versioned, replicated and saved like all others, and can need each other, see [Op].
const (
	// DataKey is an encrypted key that secrets are encrypted with; package keyring.
	DataKey = "datakey"
	// Member is a server of the cluster, by its id; package raftstorage.
	Member = "member"
	// Session is a node from its start to its end: what it locks is freed with it; package raftstorage.
	Session = "session"
	// Lock is held by a session. Its version is the fencing token; package raftstorage.
	Lock = "lock"
	// Job is the last run of work that is done once per cluster; package raftstorage.
	Job = "job"
	// File is a value of the certificate storage, by its path; package raftstorage.
	File = "file"
	// Setting is something that the whole cluster has in common; package raftstorage.
	Setting = "setting"
	// Part is a piece of a backup that is about to be restored, see [Restore].
	Part = "part"
)

var (
	internalKinds = []string{DataKey, Member, Session, Lock, Job, File, Setting, Part}
	// clusterKinds are about the servers of one cluster: they are not part of a backup, and stay
	// when one is restored. A restored backup has no parts left.
	clusterKinds = []string{Member, Session, Lock, Setting, Part}
)

// Internal tells the store's own kinds from those in the registry.
func Internal(kind string) bool { return slices.Contains(internalKinds, kind) }
