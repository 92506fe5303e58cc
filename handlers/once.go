package handlers

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// Once refuses an option that a block of a Caddyfile has twice: the first would be without effect.
// The zero value is ready to use, for one block.
type Once struct{ seen map[string]bool }

// Check notes the option that d is at. The error says where it is for the second time.
func (o *Once) Check(d *caddyfile.Dispenser) error {
	option := d.Val()
	if o.seen[option] {
		return d.Errf("%s is given twice; give it once", option)
	}
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	o.seen[option] = true
	return nil
}
