package caddymodule

import (
	"encoding/json"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/dgate-io/caddy-dgate/handlers"
)

func init() { httpcaddyfile.RegisterGlobalOption("dgate", parseApp) }

// parseApp reads the global option. A second block adds to the first.
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	a := new(App)
	if before, ok := existing.(httpcaddyfile.App); ok {
		if err := json.Unmarshal(before.Value, a); err != nil {
			return nil, err
		}
	}
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	a.ResourcesDigest = digestResources(a.Resources)
	return httpcaddyfile.App{Name: "dgate", Value: caddyconfig.JSON(a, nil)}, nil
}

// addsUp are the options that a block may have more than once.
var addsUp = []string{"allowed_domains", "resources", "global_headers", "tags", "env"}

// UnmarshalCaddyfile sets up the app from Caddyfile tokens. Syntax:
//
//	dgate {
//	    data_dir          <path>
//	    storage           persistent|memory
//	    default_namespace on|off
//	    allowed_domains   <patterns...>
//	    resources         <files...>
//	    global_headers {
//	        <name> <value>
//	    }
//	    tags              <words...>
//	    env               <names...>
//	    encryption_key    <key> [<older keys...>]
//	    cluster {
//	        …             as in [unmarshalCluster]
//	    }
//	    limits {
//	        cpu     <duration>
//	        timeout <duration>
//	        heap    <size>
//	        vms     <count>
//	        body    <size>
//	        fetch   any|public|off
//	    }
//	    certificates {
//	        per_hour      <count>|off
//	        per_namespace <count>|off
//	    }
//	}
//
// Paths are relative to the Caddyfile.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.Errf("dgate takes a block, not %q", d.Val())
	}
	var once handlers.Once
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		option := d.Val()
		if !slices.Contains(addsUp, option) {
			if err := once.Check(d); err != nil {
				return err
			}
		}
		switch option {
		case "data_dir":
			if !d.AllArgs(&a.DataDir) {
				return d.ArgErr()
			}
			a.DataDir = handlers.Beside(d, a.DataDir)
		case "storage":
			if !d.AllArgs(&a.Storage) {
				return d.ArgErr()
			}
			if a.Storage != persistent && a.Storage != memory {
				return d.Errf("storage must be %s or %s, not %q", persistent, memory, a.Storage)
			}
		case "default_namespace":
			err = a.unmarshalDefaultNamespace(d)
		case "allowed_domains":
			err = list(d, func(pattern string) { a.AllowedDomains = append(a.AllowedDomains, pattern) })
		case "resources":
			err = list(d, func(file string) { a.Resources = append(a.Resources, handlers.Beside(d, file)) })
		case "global_headers":
			err = a.unmarshalGlobalHeaders(d)
		case "tags":
			err = words(d, &a.Tags, checkTags)
		case "env":
			err = words(d, &a.Env, checkEnv)
		case "encryption_key":
			err = list(d, func(key string) { a.EncryptionKey = append(a.EncryptionKey, key) })
		case "cluster":
			a.Cluster, err = unmarshalCluster(d)
		case "limits":
			if d.NextArg() {
				return d.ArgErr()
			}
			a.Limits, err = unmarshalLimits(d)
		case "certificates":
			a.Certificates, err = unmarshalCertificates(d)
		default:
			return d.Errf("unrecognized dgate option %q; there are data_dir, storage, default_namespace, allowed_domains, resources, global_headers, tags, env, encryption_key, cluster, limits and certificates", option)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list takes one or more arguments.
func list(d *caddyfile.Dispenser, take func(string)) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	for _, arg := range args {
		take(arg)
	}
	return nil
}

var _ caddyfile.Unmarshaler = (*App)(nil)
