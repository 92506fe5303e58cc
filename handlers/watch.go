package handlers

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"
)

// watchPause is how often files are looked at.
const watchPause = 250 * time.Millisecond

// watch looks whether files change.
type watch struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// startWatch calls changed when files differ from seen, and then have stayed the same for a moment:
// editors write a file in several steps.
func startWatch(files []string, seen []stamp, changed func(context.Context)) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{cancel: cancel}
	w.done.Go(func() {
		tick := time.NewTicker(watchPause)
		defer tick.Stop()
		used := seen
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			now := stamps(files)
			if !slices.Equal(now, used) && slices.Equal(now, seen) {
				used = now
				changed(ctx)
			}
			seen = now
		}
	})
	return w
}

// stop ends the watch and waits for that.
func (w *watch) stop() {
	w.cancel()
	w.done.Wait()
}

// stamp tells versions of a file apart. It is zero if the file cannot be looked at.
type stamp struct {
	modified time.Time
	size     int64
}

func stamps(files []string) []stamp {
	out := make([]stamp, len(files))
	for i, file := range files {
		if info, err := os.Stat(file); err == nil {
			out[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return out
}
