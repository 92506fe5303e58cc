package js

import (
	"path"
	"strings"
	"time"
)

// Lang is the language of a source.
type Lang uint8

// The languages. The zero value is TypeScript, which is also the right choice
// for most JavaScript; the difference is in files that only parse as one of
// the two, such as generics calls or JSX-like comparisons.
const (
	TypeScript Lang = iota
	JavaScript
)

// String returns the name of the language as module resources spell it.
func (l Lang) String() string {
	if l == JavaScript {
		return "javascript"
	}
	return "typescript"
}

// Source is one module: its name, language and text. A Source is not changed
// by this package, and must not be changed while it is in use.
type Source struct {
	// Name is how other modules import it, for example "auth", "lib/util" or "auth.ts".
	Name string
	// Lang is how Code is read. Default: TypeScript.
	Lang Lang
	// Code is the text, UTF-8, at most MaxSource bytes.
	Code []byte
}

// MaxSource is the size limit of one source, in bytes.
const MaxSource = 4 << 20

// file returns the name that errors and stacks show: the module's name, with
// an extension if it has none.
func (s Source) file() string {
	if sourceExt(s.Name) != "" {
		return s.Name
	}
	if s.Lang == JavaScript {
		return s.Name + ".js"
	}
	return s.Name + ".ts"
}

// sourceExt returns the extension of name if it is one of a script.
func sourceExt(name string) string {
	switch ext := path.Ext(name); strings.ToLower(ext) {
	case ".ts", ".js", ".mts", ".mjs", ".cts", ".cjs":
		return ext
	}
	return ""
}

// Limits bound a script. A zero field means its default.
type Limits struct {
	// CPU is how long a script may compute without waiting for anything; Go
	// work that it waits for does not count, nor what VM.Work is for, nor what a busy
	// machine gives to others. It is measured in steps of 5 ms. One match of a regular expression
	// may take at most 200 ms of real time, however large this is. Default: 100 ms.
	CPU time.Duration
	// Timeout is how long one call may take, waiting included. Default: 30 s.
	Timeout time.Duration
	// Heap is how far the heap of the process may grow while a call is
	// running, in bytes. Default: 256 MiB.
	Heap uint64
	// VMs is how many virtual machines a pool may have at a time. An engine
	// has at most four times as many. Default: 1024.
	VMs int
	// Body is how much of a body a script may hold, in bytes. It is not
	// applied here but by host modules. Default: 10 MiB.
	Body int64
	// Stack is the greatest depth of calls. Default: 1000.
	Stack int
}

// The defaults of Limits.
const (
	DefaultCPU     = 100 * time.Millisecond
	DefaultTimeout = 30 * time.Second
	DefaultHeap    = 256 << 20
	DefaultVMs     = 1024
	DefaultBody    = 10 << 20
	DefaultStack   = 1000
)

// withDefaults returns l with zero and negative fields replaced.
func (l Limits) withDefaults() Limits {
	if l.CPU <= 0 {
		l.CPU = DefaultCPU
	}
	if l.Timeout <= 0 {
		l.Timeout = DefaultTimeout
	}
	if l.Heap == 0 {
		l.Heap = DefaultHeap
	}
	if l.VMs <= 0 {
		l.VMs = DefaultVMs
	}
	if l.Body <= 0 {
		l.Body = DefaultBody
	}
	if l.Stack <= 0 {
		l.Stack = DefaultStack
	}
	return l
}
