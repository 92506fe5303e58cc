// Package hook is what a script sees of a request: the table of the five hooks
// and, for each request, a [Scope] with the objects ctx, request, response and
// upstream that these hooks are called with.
//
// A Scope belongs to one request and outlives its hooks: every hook may run on
// another VM of the pool, so what scripts leave behind between hooks (ctx.set,
// locals, properties of their own) is kept as Go data. The JavaScript objects
// are views, made when a script first touches them and bound to one VM; a view
// that is used after its hook has ended throws "request is finished".
//
// A hook answers with what it sends through ctx.response(), or with a Response that
// it returns. What is left to be sent of that needs no VM: when all hooks have run,
// the VM goes back through [Scope.Linger], which knows of work that a Worker wants
// done after its answer, and then [Scope.SendRest] sends the rest.
//
// The package does not match requests, choose modules, borrow VMs, proxy or turn
// errors into status codes: that is internal/gateway. It does not know Caddy,
// the store or how scripts are compiled.
package hook
