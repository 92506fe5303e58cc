package caddymodule

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/mholt/acmez/v3/acme"
)

// issuance listens to what Caddy says about certificates that it obtains, for one configuration.
type issuance struct{ app *App }

// newIssuance has the events of the configuration of app heard.
func newIssuance(ctx caddy.Context, app *App) error {
	events, err := ctx.App("events")
	if err != nil {
		return err
	}
	i := issuance{app}
	for _, name := range []string{"started", "cert_obtaining", "cert_obtained", "cert_failed"} {
		if err := events.(*caddyevents.App).On(name, i); err != nil {
			return err
		}
	}
	return nil
}

// Handle implements [caddyevents.Handler]. Errors end the attempt to obtain a certificate.
func (i issuance) Handle(_ context.Context, event caddy.Event) error {
	certs, storage := i.app.node.certs, i.app.ctx.Storage()
	name, _ := event.Data["identifier"].(string)
	renewal, _ := event.Data["renewal"].(bool)
	switch event.Name() {
	case "started":
		certs.log.Reconsider()
		certs.care.use(i.app)
	case "cert_obtaining":
		if err := certs.obtaining(storage, name, renewal || !onDemand(i.app.tls(), name)); err != nil {
			certs.care.giveUp(name)
			return err
		}
	case "cert_obtained":
		certs.obtained(storage, name)
	case "cert_failed":
		err, _ := event.Data["error"].(error)
		certs.failed(storage, name, err)
		certs.care.giveUp(name)
	}
	return nil
}

// problemOf is what an issuer has said, and the type of the problem if it speaks ACME.
func problemOf(err error) (text, kind string) {
	if err == nil {
		return "unknown", ""
	}
	problem, ok := errors.AsType[acme.Problem](err)
	if !ok {
		return err.Error(), ""
	}
	text = problem.Detail
	for _, sub := range problem.Subproblems {
		text += fmt.Sprintf("; %s: %s", sub.Identifier.Value, sub.Detail)
	}
	if text == "" {
		text = problem.Title
	}
	return text, problem.Type
}

var _ caddyevents.Handler = issuance{}
