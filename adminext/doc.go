// Package adminext is the admin API of DGate: one [http.Handler] for everything under /dgate/.
//
// Two kinds of endpoints show the same resources. Those of the original DGate, under
// /dgate/api/v1/<kind>, keep its envelopes, texts and statuses, so that its clients and scripts
// work unchanged. The item endpoints, one path per resource, are what new clients use: they have
// versions, preconditions and plain statuses.
//
// The package authenticates nobody: Caddy's admin endpoint is local, and a site that mounts the
// handler puts its own authentication in front. It stores nothing, and knows no kind by its name
// but for the deviations of the original that are listed in quirks.go, and for what is in a
// collection, in documents.go.
package adminext
