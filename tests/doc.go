// Package tests has the end-to-end tests: stories as scripts in testdata/script, tests of whole
// Caddy processes, and the rule of who may import whom. What they run on is in package harness;
// what a single package can test by itself is tested there.
package tests
