package cli

import (
	"context"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
)

// runDomainStatus shows the certificates of a domain, name by name.
func runDomainStatus(ctx context.Context, s *session, client *adminclient.Client, in *input) error {
	data, err := client.DomainStatus(ctx, in.kind.KeyOf(in.keyValues()...))
	if err != nil {
		return err
	}
	return s.print(nil, data)
}
