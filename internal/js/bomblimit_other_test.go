//go:build !unix

package js

// limitMemory does nothing where the system has no such limit.
func limitMemory(uint64) {}
