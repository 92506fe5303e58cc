// Package peer is the one port on which the nodes of a cluster talk to each other: TLS 1.3 on
// which both sides show a certificate, and two protocols that are told apart by ALPN:
//
//   - dgate-raft/1, a stream for raft's own transport ([Port.Raft])
//   - dgate-rpc/1, HTTP/2 for everything else (a handler in [Options], and [Port.Client])
//
// Who may connect follows from one secret. Every node derives the same certificate authority from
// the secret and the name of the cluster, and signs a certificate for itself with it, so there are
// no files to hand out. [Credentials] can change while connections live: those stay, the next
// handshake sees the change. Files of an own PKI are the alternative.
//
// Whoever knows the secret is a member that can do everything to the cluster, and can call itself
// what it likes: identities tell nodes apart, they do not protect one member from another. The
// package knows nothing of raft's messages, of which servers belong to the cluster, and of
// what the RPCs are; it stores nothing.
//
// # The door for subscribers
//
// A second certificate authority, derived with the label "dgate/edge/v1", can be given to servers
// that are to follow the cluster without being trusted by it. Its certificates are accepted for
// dgate-rpc/1 only, and its owners have [Identity.Edge]; handlers must refuse them what
// they shall not do. Nothing hands out such certificates yet.
package peer
