package resource

import "errors"

var moduleKind = Kind{
	Name: "module", Plural: "modules", Aliases: []string{"mod"}, Scope: InNamespace, Routed: true, MaxBody: 6 << 20,
	Help: "TypeScript or JavaScript that routes run.",
	New:  func() Object { return &Module{Type: TypeScript} },
}

// The types of modules.
const (
	TypeScript = "typescript"
	JavaScript = "javascript"
)

// MaxModuleSize bounds the decoded source of a module, in bytes.
const MaxModuleSize = 4 << 20

// Module is code that routes run or import. Its fields are described by their help tags.
type Module struct {
	Name      string   `json:"name" dgate:"required" help:"Name of the module; other modules import it by this name."`
	Namespace string   `json:"namespace" dgate:"default=default" help:"Namespace of the module."`
	Payload   []byte   `json:"payload" dgate:"required,quiet" help:"Source code, base64 in JSON; payload@=<file> on the command line."`
	Type      string   `json:"moduleType" dgate:"default=typescript,alias=type" help:"Language: typescript or javascript."`
	Tags      []string `json:"tags,omitempty" help:"Free words for people and modules."`
	Meta      `json:"-"`
}

// Key implements [Object].
func (m *Module) Key() Key { return Key{Kind: "module", Namespace: m.Namespace, Name: m.Name} }

// SetKey implements [Object].
func (m *Module) SetKey(k Key) { m.Namespace, m.Name = k.Namespace, k.Name }

// Validate implements [Object].
func (m *Module) Validate() error {
	m.Tags = unique(m.Tags)
	errs := checkScoped(m.Name, m.Namespace, m.Tags)
	switch {
	case len(m.Payload) == 0:
		errs = append(errs, Invalid("payload", "", "is required"))
	case len(m.Payload) > MaxModuleSize:
		errs = append(errs, Invalid("payload", "", "must not be larger than %d bytes", MaxModuleSize))
	}
	switch m.Type {
	case "":
		m.Type = TypeScript
	case TypeScript, JavaScript:
	default:
		errs = append(errs, Invalid("moduleType", m.Type, "must be typescript or javascript"))
	}
	return errors.Join(errs...)
}

// References implements [Object].
func (m *Module) References() []Reference { return []Reference{namespaceRef(m.Namespace)} }

// Claims implements [Object]: a module claims nothing.
func (m *Module) Claims() []Claim { return nil }
