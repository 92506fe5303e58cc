// Package js is the script engine: it bundles TypeScript and JavaScript
// modules into one program, keeps pools of virtual machines that have run it,
// and calls the functions found in it under limits.
//
// The walk of a call: [Engine.Compile] checks the sources before any parser
// sees them, bundles them with esbuild, compiles the result for goja and runs
// its top level once. [Engine.NewPool] lends out a [VM] per call. [VM.Start]
// runs a hook on the goroutine of its caller until it has settled or waits for
// something; [Run.Resume] and [Run.Wait] go on with it; [Run.End] gives up what
// is left. No goroutine exists for a script, except while Go work that it
// asked for is running.
//
// # Limits
//
// One watchdog goroutine per [Engine], which ends when no script is running,
// interrupts a script that computes for too long, that makes the heap grow
// too far, whose time is up or whose caller has gone. A VM that was
// interrupted, has overflowed its stack or in which Go code has panicked is
// never used again: goja's promises do not settle any more on such a VM.
//
// goja only looks for an interrupt between two instructions of a script. What
// would compute or allocate without end in a single built-in is caught in
// other ways, all of them in the files named cap and in checkpoint.go: sizes
// are bounded, and the natives that go through an array or draw from an iterator
// come by a checkpoint. JSON.stringify is our own.
//
// The heap is looked at every 5 ms, and belongs to the whole process. A script that
// doubles a string, a += a, comes to about four times its limit before it is
// interrupted, half of that in its last step, and to more where the
// watchdog gets no processor. What it leaves is collected before its VM is given up.
//
// Scripts are trusted but buggy, and the limits are made for that. What they
// cannot stop is what a script must go out of its way for: a method of arrays
// that is called on an array without a prototype, or under a computed name on an
// object with a length of billions; a regular expression whose exec the script has
// replaced, or whose [Symbol.replace] it calls itself; a match, which ends when its own
// 200 ms are over, whatever the limit of the script; a proxy one of whose traps is the
// proxy; a template literal of many huge strings; a class of goja's own that is
// not a promise and says that it is one, which is a panic that is recovered.
// Spreading a string of sixteen million characters into an object takes many seconds.
//
// # Traps
//
// Both goja.Parse and esbuild open the file that a sourceMappingURL comment
// names; neither is ever given the chance. goja's job queue is lost when an
// interrupt or an overflow unwinds an async function. goja makes "no match" of
// a regular expression that ran out of time, so every built-in that matches asks
// afterwards whether it may have (matchlimit.go and capmatch.go).
// Parsers are recursive and some are quadratic, hence precheck. A native
// function costs 0.75 KiB per VM, hence globals that are made on first use.
//
// # What this package does not do
//
// It knows nothing of HTTP, of what a hook means, of resources or of the
// gateway: hooks are names in [Options], and everything a script can reach
// beyond the language, console, timers and process comes from the [Module] and
// [Global] values it is given. It reads no files, opens no connections, and
// does not check types: TypeScript is transpiled.
package js
