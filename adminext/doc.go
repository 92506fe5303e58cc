// Package adminext is the admin API of DGate: one [http.Handler] for everything under /dgate/.
//
// Two kinds of endpoints show the same resources. Those of the original DGate, under
// /dgate/api/v1/<kind>, keep its envelopes, texts and statuses, so that its clients and scripts
// work unchanged. The item endpoints, one path per resource, are what new clients use: they have
// versions, preconditions and plain statuses.
//
// [Admin] mounts it on Caddy's admin endpoint, which is local, and [Site] on a site, where it may
// ask for a token. Beyond that the package authenticates nobody. It stores nothing, and knows no
// kind by its name but for the deviations of the original that are listed in quirks.go, and for
// what is in a collection, in documents.go.
package adminext
