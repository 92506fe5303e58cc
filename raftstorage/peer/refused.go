package peer

import "errors"

// Refusal says why a peer that was reached and this node do not accept each other: their secrets,
// the names of their clusters, their certificates or their clocks differ. It names the option, and
// is "" for every other error.
func Refusal(err error) string {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return ""
	}
	switch r.reason {
	case reasonSecret, reasonCluster, reasonClock, reasonCertificate, reasonUs:
		return r.text
	}
	return ""
}
