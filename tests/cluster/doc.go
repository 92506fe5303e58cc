// Package cluster has the fault tests of the cluster: real Caddy processes that are killed, stopped,
// cut off, slowed down, filled up and moved while clients write, and a check afterwards that nothing
// that was answered is lost and that what the clients saw can have happened in one order.
//
// What each test must show is in the comment above it. They run in a short form with all other tests;
//
//	bash .ci/faults                  all of them, long: hours
//	bash .ci/faults KillLeader       those with KillLeader in their names
//
// Tests that cut links need Linux, root and the command ip, and are skipped elsewhere.
package cluster
