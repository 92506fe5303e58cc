package adminext

import "net/http"

// quirk is how the v1 endpoints of one kind deviate from those of the others.
type quirk struct {
	// deleted is the status of a successful DELETE.
	deleted int
}

// quirks lists the kinds that deviate.
var quirks = map[string]quirk{
	"service": {deleted: http.StatusNoContent},
}

// quirkOf fills in what all other kinds do.
func quirkOf(kind string) quirk {
	q := quirks[kind]
	if q.deleted == 0 {
		q.deleted = http.StatusAccepted
	}
	return q
}
