package js

// asyncTracker tells continuations of the running call from those of an
// earlier one, which run when a script has kept a resolve function in a
// variable and calls it in a later request. goja asks it for a token whenever a
// reaction is registered and hands it back around the reaction.
type asyncTracker VM

// callToken stands for one call. It is made when the first reaction of a call
// is registered.
type callToken struct{ call uint64 }

// Grab returns the token of the running call.
func (t *asyncTracker) Grab() any {
	if t.token == nil || t.token.call != t.call {
		t.token = &callToken{t.call}
	}
	return t.token
}

// Resumed is called before a reaction runs.
func (t *asyncTracker) Resumed(token any) {
	c, ok := token.(*callToken)
	t.foreign = ok && c.call != t.call
}

// Exited is called after a reaction has run.
func (t *asyncTracker) Exited() { t.foreign = false }
