// Package cli is the command line of DGate: dgate-cli, and the same commands inside Caddy.
//
// Nouns, their fields, help and completion come from the registry of package resource. The
// package talks to a server through package adminclient only: it neither opens a store nor knows
// Caddy, so the program stays small.
package cli
