//go:build unix

package js

import "syscall"

// limitMemory bounds the address space of this process.
func limitMemory(bytes uint64) {
	_ = syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: bytes, Max: bytes})
}
