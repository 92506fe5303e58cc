package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// endsSoon is how long before its end a certificate is warned of.
const endsSoon = 30 * 24 * time.Hour

// checkDates refuses certificates of domains that have expired, or a certificate of whose chain has.
// One that is stored already only brings a warning: what is put again must not fail just because
// time has passed. So does one that is not valid yet, and one that ends soon.
func checkDates(db *state.DB, changes []change.Change, now time.Time) (warnings []string, err error) {
	var errs []error
	for _, c := range changes {
		d, ok := c.Object.(*resource.Domain)
		if !ok || d.Cert == "" {
			continue
		}
		chain, err := d.Chain()
		if err != nil {
			continue // said already
		}
		if leaf := chain[0]; now.Before(leaf.NotBefore) {
			warnings = append(warnings, fmt.Sprintf("domain %s: its certificate is not valid before %s", d.Name, leaf.NotBefore.UTC().Format(time.RFC3339)))
		}
		problem := ""
		for i, cert := range chain {
			if now.After(cert.NotAfter) {
				which := ""
				if i > 0 {
					which = fmt.Sprintf("certificate %d of the chain, of %s, ", i+1, cert.Subject.CommonName)
				}
				problem = which + "has expired at " + cert.NotAfter.UTC().Format(time.RFC3339)
				break
			}
		}
		if problem == "" {
			if left := chain[0].NotAfter.Sub(now); left < endsSoon {
				warnings = append(warnings, fmt.Sprintf("domain %s: its certificate ends in %d days, at %s", d.Name, int(left/(24*time.Hour)), chain[0].NotAfter.UTC().Format(time.RFC3339)))
			}
			continue
		}
		before, found, err := storedDomain(db, d.Key())
		switch {
		case err != nil:
			return nil, err
		case found && before.Cert == d.Cert:
			warnings = append(warnings, fmt.Sprintf("domain %s: its certificate %s", d.Name, problem))
		default:
			field := &resource.FieldError{Field: "cert", Problem: problem}
			if len(changes) > 1 {
				field = field.In(d.Key())
			}
			errs = append(errs, field)
		}
	}
	return warnings, errors.Join(errs...)
}

// storedDomain reads a domain; false if there is none.
func storedDomain(db *state.DB, key resource.Key) (d *resource.Domain, found bool, err error) {
	err = db.View(func(r *state.Reader) error {
		rec, ok, err := r.Get(key)
		if err != nil || !ok {
			return err
		}
		obj, err := rec.Object()
		if err != nil {
			return err
		}
		d, found = obj.(*resource.Domain)
		return nil
	})
	return d, found, err
}
