package peer

import (
	"errors"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

// complainEvery is how often at most the same reason is logged.
const complainEvery = time.Second

// complaints limits what is logged about those who knock.
type complaints struct {
	mu sync.Mutex
	by map[string]*complaint
}

type complaint struct {
	at      time.Time
	skipped int
}

// due tells whether to log now, and how often the same was not logged since the last time.
func (c *complaints) due(reason string, now time.Time) (skipped int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]*complaint{}
	}
	before := c.by[reason]
	if before != nil && now.Sub(before.at) < complainEvery {
		before.skipped++
		return 0, false
	}
	if before != nil {
		skipped = before.skipped
	}
	c.by[reason] = &complaint{at: now}
	return skipped, true
}

// complain logs that somebody was refused.
func (p *Port) complain(from net.Conn, err error) {
	reason := reasonOther
	r, known := errors.AsType[*refusal](err)
	if known {
		reason = r.reason
	}
	skipped, ok := p.complaints.due(reason, time.Now())
	if !ok {
		return
	}
	fields := []zap.Field{zap.String("reason", reason), zap.Error(err)}
	if from != nil {
		fields = append(fields, zap.Stringer("peer", from.RemoteAddr()))
	}
	if known && r.err != nil && r.err.Error() != r.text {
		fields = append(fields, zap.NamedError("cause", r.err))
	}
	if skipped > 0 {
		fields = append(fields, zap.Int("not_logged", skipped))
	}
	if from == nil {
		p.options.Logger().Warn("trouble on the port of the cluster", fields...)
		return
	}
	p.options.Logger().Warn("refused a connection to the port of the cluster", fields...)
}
