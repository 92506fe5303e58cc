// Package certstore keeps certificates, their keys, and what else certmagic has to remember, in the
// replicated store: all nodes see the same, whichever of them has written it.
//
// Reading asks this node only, so certificates that are known are served without a leader too. There
// are two exceptions, for which the cluster is asked first: the answers to challenges, which the
// authority wants right after another node has stored them, and what is not here while this node
// writes. Writing returns when it is applied here.
//
// Everything but certificates, their metadata and OCSP answers is encrypted by the keyring.
//
// The package does not open the store, and knows nothing of Caddy.
package certstore
