package hook

// Phase tells when a hook runs in the life of a request.
type Phase uint8

// The phases, in the order in which a request passes them.
const (
	BeforeUpstream Phase = iota
	AfterUpstream
	OnError
	InsteadOfUpstream
)

// Index of each hook in [Hooks], which is also its bit in a program's mask.
const (
	FetchUpstream = iota
	RequestModifier
	ResponseModifier
	ErrorHandler
	RequestHandler
)

// Hook describes one of the functions that the gateway looks for in a module.
type Hook struct {
	// Name is what the function is called in a module.
	Name string
	// Alias is another name that is accepted, or empty.
	Alias string
	// Member is the name of a method of the default export that takes the place of
	// the hook, with parameters of its own, or empty.
	Member string
	// Phase is when it is called.
	Phase Phase
	// Params are the names of its parameters.
	Params []string
	// Doc says, in one sentence for module authors, what it is for.
	Doc string
}

// Hooks are the hooks. Lookup, metrics, docs and types range over this table.
var Hooks = [...]Hook{
	FetchUpstream: {
		Name: "fetchUpstream", Alias: "fetchUpstreamUrl", Phase: BeforeUpstream, Params: []string{"ctx"},
		Doc: "Returns the URL, or a promise of the URL, that the request is sent to.",
	},
	RequestModifier: {
		Name: "requestModifier", Phase: BeforeUpstream, Params: []string{"ctx"},
		Doc: "Changes the request before it is sent on, or answers it.",
	},
	ResponseModifier: {
		Name: "responseModifier", Phase: AfterUpstream, Params: []string{"ctx", "upstream"},
		Doc: "Changes the upstream's answer before the client gets it.",
	},
	ErrorHandler: {
		Name: "errorHandler", Phase: OnError, Params: []string{"ctx", "error"},
		Doc: "Answers the request when the upstream or another hook has failed.",
	},
	RequestHandler: {
		Name: "requestHandler", Member: "fetch", Phase: InsteadOfUpstream, Params: []string{"ctx"},
		Doc: "Answers the request itself, on a route without a service.",
	},
}

// Names returns the names of the hooks in the order of [Hooks].
func Names() []string {
	names := make([]string, len(Hooks))
	for i, h := range Hooks {
		names[i] = h.Name
	}
	return names
}

// Aliases returns the other accepted names, each with the name it stands for.
func Aliases() map[string]string {
	aliases := make(map[string]string)
	for _, h := range Hooks {
		if h.Alias != "" {
			aliases[h.Alias] = h.Name
		}
	}
	return aliases
}

// Members returns the methods of a default export that take the place of a hook,
// each with the name of the hook.
func Members() map[string]string {
	members := make(map[string]string)
	for _, h := range Hooks {
		if h.Member != "" {
			members[h.Member] = h.Name
		}
	}
	return members
}
