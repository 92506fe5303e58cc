package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/dgate-io/caddy-dgate/handlers"
)

// unmarshalCluster reads the block of the option cluster. Syntax:
//
//	cluster {
//	    name            <name>
//	    node_name       <name>
//	    secret          <secret>
//	    secret_previous <secrets...>
//	    token           <token>
//	    listen          <address>
//	    advertise       <address>
//	    join            <addresses...>
//	    expect          1|3|5
//	    role            voter|edge
//	    leave_on_exit   [on|off]
//	    tls {
//	        ca          <file>
//	        cert        <file>
//	        key         <file>
//	        verify_name <name>
//	    }
//	}
//
// Join may be there more than once. Files are relative to the Caddyfile.
func unmarshalCluster(d *caddyfile.Dispenser) (*Cluster, error) {
	if d.NextArg() {
		return nil, d.Errf("cluster takes a block, not %q", d.Val())
	}
	c := new(Cluster)
	texts := map[string]*string{
		"name": &c.Name, "node_name": &c.NodeName, "secret": &c.Secret, "token": &c.Token,
		"listen": &c.Listen, "advertise": &c.Advertise, "role": &c.Role,
	}
	var once handlers.Once
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if option != "join" {
			if err := once.Check(d); err != nil {
				return nil, err
			}
		}
		if to, ok := texts[option]; ok {
			if !d.AllArgs(to) {
				return nil, d.ArgErr()
			}
			continue
		}
		var err error
		switch option {
		case "secret_previous":
			err = list(d, func(secret string) { c.SecretPrevious = append(c.SecretPrevious, secret) })
		case "join":
			err = list(d, func(address string) { c.Join = append(c.Join, address) })
		case "expect":
			var text string
			if !d.AllArgs(&text) {
				return nil, d.ArgErr()
			}
			if c.Expect, err = strconv.Atoi(text); err != nil || c.Expect < 1 {
				err = d.Errf("expect must be 1, 3 or 5, the number of nodes that begin a cluster together, not %q", text)
			}
		case "leave_on_exit":
			c.LeaveOnExit, err = onOff(d)
		case "tls":
			c.TLS, err = unmarshalClusterTLS(d)
		default:
			err = d.Errf("unrecognized cluster option %q; there are name, node_name, secret, secret_previous, token, listen, advertise, join, expect, role, leave_on_exit and tls", option)
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// onOff takes on, off or nothing, which is on.
func onOff(d *caddyfile.Dispenser) (bool, error) {
	option := d.Val()
	switch args := d.RemainingArgs(); {
	case len(args) == 0, len(args) == 1 && args[0] == "on":
		return true, nil
	case len(args) == 1 && args[0] == "off":
		return false, nil
	case len(args) == 1:
		return false, d.Errf("%s must be on or off, not %q", option, args[0])
	}
	return false, d.ArgErr()
}

func unmarshalClusterTLS(d *caddyfile.Dispenser) (*ClusterTLS, error) {
	if d.NextArg() {
		return nil, d.Errf("tls takes a block with ca, cert and key, not %q", d.Val())
	}
	t := new(ClusterTLS)
	options := map[string]*string{"ca": &t.CA, "cert": &t.Cert, "key": &t.Key, "verify_name": &t.VerifyName}
	var once handlers.Once
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := once.Check(d); err != nil {
			return nil, err
		}
		to, ok := options[d.Val()]
		if !ok {
			return nil, d.Errf("unrecognized tls option %q; there are ca, cert, key and verify_name", d.Val())
		}
		if !d.AllArgs(to) {
			return nil, d.ArgErr()
		}
		if to != &t.VerifyName {
			*to = handlers.Beside(d, *to)
		}
	}
	return t, nil
}
