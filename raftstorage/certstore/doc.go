// Package certstore keeps certificates, their keys, and what else certmagic has to remember, in the
// replicated store: all nodes see the same, whichever of them has written it.
//
// Reading asks this node only, so certificates that are known are served without a leader too. There
// is one exception: what is not here yet is asked for in the cluster when it may have been stored a
// moment ago by another node, as the answers to challenges are. Writing returns when it is applied here.
//
// Everything but certificates, their metadata and OCSP answers is encrypted by the keyring.
//
// The package does not open the store, and knows nothing of Caddy.
package certstore
