package adminext

import "net/http"

// quirk is how the v1 endpoints of one kind deviate from those of the others.
type quirk struct {
	// deleted is the status of a successful DELETE.
	deleted int
	// byPath tells that a DELETE may name the resource in the path instead of the body. Not all
	// kinds have it: Caddy redirects /service//x to /service/x, and whoever follows that with an
	// empty namespace by mistake must not remove x from the default one.
	byPath bool
	// absent is the status of a DELETE of what does not exist.
	absent int
	// listsAll tells that a listing for which there is no namespace is one of all namespaces.
	listsAll bool
}

// quirks lists the kinds that deviate.
var quirks = map[string]quirk{
	"service":    {deleted: http.StatusNoContent},
	"collection": {byPath: true},
	"domain":     {absent: http.StatusUnprocessableEntity, listsAll: true},
}

// quirkOf fills in what all other kinds do.
func quirkOf(kind string) quirk {
	q := quirks[kind]
	if q.deleted == 0 {
		q.deleted = http.StatusAccepted
	}
	if q.absent == 0 {
		q.absent = http.StatusBadRequest
	}
	return q
}
