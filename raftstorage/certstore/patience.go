package certstore

import (
	"context"
	"errors"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

const (
	// patience is how long a certificate that was obtained is tried to be stored: what is not stored
	// has to be ordered again.
	patience = time.Minute
	// pause is between two tries, each of which has waited for a leader.
	pause = 200 * time.Millisecond
)

// patiently tries for as long as what fails can pass by itself and ctx lasts.
func patiently(ctx context.Context, try func() error) error {
	for {
		err := try()
		if !passing(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// passing tells errors that are over when there is a leader.
func passing(err error) bool {
	if err == nil || errors.Is(err, raftstorage.ErrClosed) {
		return false
	}
	switch resource.CodeOf(err) {
	case resource.NoLeader, resource.OutcomeUnknown, resource.Overloaded, resource.IndexTimeout:
		return true
	}
	return false
}
