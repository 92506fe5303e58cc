package gateway

import (
	"errors"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// failure is a hook that has failed.
type failure struct {
	hook int // in hook.Hooks
	err  error
}

// What the log says.
const (
	unloaded   = "a module does not work"
	unanswered = "a hook failed"
	rescued    = "a hook failed, and errorHandler has answered"
	tooLate    = "a hook failed after it had answered"
	otherwise  = "a request failed, and a hook has answered it"
	brokenOff  = "an answer broke off, and the client has got only a part of it"
)

// failed notes a hook that has failed by its script. Nothing is the fault of a script when the
// client has left, or has sent too much or no proper body, or when the upstream breaks off.
func (s *runner) failed(err error) {
	tooLarge := errors.Is(err, hook.ErrBodyTooLarge) && s.hook != hook.ResponseModifier
	broken := errors.Is(err, hook.ErrRequestBody) || errors.Is(err, hook.ErrUpstreamBody)
	if s.r.Context().Err() == nil && !tooLarge && !broken {
		s.failures = append(s.failures, failure{s.hook, err})
	}
}

// report tells the log about the hooks that have failed. Whoever answers the request in the end
// may not say a word about them.
func (s *runner) report(level zapcore.Level, what string) {
	for _, f := range s.failures {
		if what == rescued && f.hook == hook.ErrorHandler {
			level, what = zapcore.ErrorLevel, tooLate
		}
		s.gateway.logFailure(level, what, s.names, hook.Hooks[f.hook].Name, f.err)
	}
	s.failures = nil
}

// logRequest tells the log of a failure that is no script's, and that the client does not get to see.
func (s *runner) logRequest(err error) {
	s.gateway.logFailure(zapcore.WarnLevel, otherwise, s.names, "", err)
}

// logBroken tells the log of an answer whose rest could not be sent, or made by the script.
func (s *runner) logBroken(err error) {
	level := zapcore.WarnLevel
	if js.KindOf(err) != 0 {
		level = zapcore.ErrorLevel
	}
	s.gateway.logFailure(level, brokenOff, s.names, hook.Hooks[s.hook].Name, err)
}

// logFailure writes to the log of a module, where its console goes, too.
func (g *Gateway) logFailure(level zapcore.Level, what string, names Names, hook string, err error) {
	var fields []zap.Field
	if hook != "" {
		fields = append(fields, zap.String("hook", hook))
	}
	if kind := js.KindOf(err); kind != 0 {
		fields = append(fields, zap.Stringer("kind", kind))
	}
	if names.Route != "" {
		fields = append(fields, zap.String("route", names.Route))
	}
	g.logger(names).Log(level, what, append(fields, zap.Error(err))...)
}
