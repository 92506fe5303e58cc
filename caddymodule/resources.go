package caddymodule

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/manifest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// readResources reads the resource files. Wildcards that no file has are only warned about, since
// an empty directory may be meant.
func (a *App) readResources() (manifest.Resources, error) {
	patterns, err := expand("resources", a.Resources)
	if err != nil {
		return nil, err
	}
	files, err := manifest.Reader{Env: os.LookupEnv}.Read(patterns) //nolint:forbidigo // secrets may refer to it
	if err != nil {
		return nil, fmt.Errorf("resources: %w", err)
	}
	for _, pattern := range files.Unmatched {
		a.logger.Warn("no resource file matches", zap.String("pattern", pattern))
	}
	return files.Resources, nil
}

// digestResources is what resources_digest is for patterns, with the placeholders that this process
// can expand. It is empty if it cannot expand them all.
func digestResources(patterns []string) string {
	patterns, err := expand("resources", patterns)
	if err != nil {
		return ""
	}
	return manifest.Digest(patterns)
}

// expand replaces placeholders in the values of an option. The error names the option and the first
// placeholder that is unknown or expands to nothing.
func expand(option string, values []string) ([]string, error) {
	repl := caddy.NewReplacer()
	expanded := make([]string, len(values))
	for i, value := range values {
		var err error
		if expanded[i], err = repl.ReplaceOrErr(value, true, true); err != nil {
			return nil, fmt.Errorf("%s: %w", option, err)
		}
	}
	return expanded, nil
}

// store puts the resources of the resource files. If the store cannot take them now, for want of a
// leader or of space, what was stored before is served, and it is tried again in the background.
func (a *App) store(ctx context.Context) error {
	err := a.put(ctx)
	if !later(err) {
		return err
	}
	a.logger.Error("resource files are not stored yet", zap.Error(err))
	retrying, stop := context.WithCancel(a.ctx)
	a.stop = stop
	a.background.Go(func() { a.retry(retrying) })
	return nil
}

// retryPause is how long to wait before the resource files are tried again.
const retryPause = 2 * time.Second

// retry puts the resources until that succeeds, is refused, or ctx is done.
func (a *App) retry(ctx context.Context) {
	pause := time.NewTicker(retryPause)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		err := a.put(ctx)
		if later(err) {
			continue
		}
		if err != nil {
			a.logger.Error("resource files are refused", zap.Error(err))
		}
		return
	}
}

// later tells errors that pass by themselves.
func later(err error) bool {
	switch resource.CodeOf(err) {
	case resource.NoLeader, resource.Overloaded, resource.OutcomeUnknown, resource.IndexTimeout:
		return err != nil
	}
	return false
}

// put stores what the resource files list, where it differs.
func (a *App) put(ctx context.Context) error {
	if len(a.objects) == 0 {
		return nil
	}
	changes := make([]change.Change, len(a.objects))
	for i, res := range a.objects {
		changes[i] = change.Change{Object: res.Object}
	}
	results, err := a.Writer().Apply(ctx, changes...)
	if err != nil {
		return fmt.Errorf("resources: %w", a.objects.Locate(err))
	}
	for _, warning := range results.Warnings {
		a.logger.Warn("resource file", zap.String("warning", warning))
	}
	return nil
}
