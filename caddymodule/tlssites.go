package caddymodule

import (
	"reflect"

	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
)

// tls is Caddy's TLS app, or nil if there is none. All apps must be provisioned.
func (a *App) tls() *caddytls.TLS {
	if app, err := a.ctx.AppIfConfigured("tls"); err == nil {
		return app.(*caddytls.TLS)
	}
	return nil
}

// serves tells whether the configuration that runs has a certificate for a name by itself: one that it
// loads, or one that it obtains without being asked. Domains do not concern such names.
func (c *certificates) serves(name string) bool {
	app := c.care.app.Load()
	if app == nil {
		return false
	}
	of := app.tls()
	if of == nil {
		return false
	}
	for _, cert := range caddytls.AllMatchingCertificates(name) {
		if !isManaged(cert) {
			return true
		}
	}
	return !onDemand(of, name) && of.HasCertificateForSubject(name)
}

// isManaged tells certificates that Caddy has obtained from those that it has loaded. Caddy has no
// other way to ask.
func isManaged(cert certmagic.Certificate) bool {
	field := reflect.ValueOf(cert).FieldByName("managed")
	return !field.IsValid() || field.Kind() != reflect.Bool || field.Bool()
}

// onDemand tells whether Caddy obtains the certificate for a name when a client asks for it.
func onDemand(app *caddytls.TLS, name string) bool {
	if app == nil || app.Automation == nil {
		return false
	}
	for _, policy := range app.Automation.Policies {
		for _, subject := range policy.Subjects() {
			if certmagic.MatchWildcard(name, subject) {
				return demands(policy)
			}
		}
		if len(policy.Subjects()) == 0 {
			return demands(policy)
		}
	}
	return false
}

func demands(policy *caddytls.AutomationPolicy) bool {
	return policy.OnDemand || len(policy.Managers) > 0
}

// Misdirected implements [gateway.Hosts].
func (c *certificates) Misdirected(host string) bool {
	return c.Directory.Misdirected(host) && !c.serves(host)
}
