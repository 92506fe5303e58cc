package raftstorage

import (
	"fmt"
	"io"
	"log"
	"slices"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger gives raft's messages to zap: warnings and errors, the rest is dropped. A message about the
// same server, or about none, comes at most every 10 s, and says then how often it was left out.
type logger struct {
	to    func() *zap.Logger
	name  string
	args  []any
	quiet *silence
}

func newLogger(to func() *zap.Logger) hclog.Logger {
	return &logger{to: to, name: "raft", quiet: &silence{}}
}

// routine messages are warnings to raft, but are part of every start.
var routine = map[string]bool{
	"heartbeat timeout reached, starting election": true,
	"failed to get previous log":                   true, // of who is behind, see nudges
}

// Log implements hclog.Logger.
func (l *logger) Log(level hclog.Level, msg string, args ...any) {
	if level < hclog.Warn || routine[msg] {
		return
	}
	at := zapcore.WarnLevel
	if level >= hclog.Error {
		at = zapcore.ErrorLevel
	}
	entry := l.to().Check(at, msg)
	if entry == nil {
		return
	}
	args = append(slices.Clip(l.args), args...)
	repeated, ok := l.quiet.pass(msg + about(args))
	if !ok {
		return
	}
	if repeated > 0 {
		args = append(args, "left_out", repeated)
	}
	entry.LoggerName += suffix(entry.LoggerName, l.name)
	entry.Write(fields(args)...)
}

// about is the server that a message is about: raft names it first.
func about(args []any) string {
	if len(args) < 2 {
		return ""
	}
	switch name := fmt.Sprint(args[0]); name {
	case "peer", "target", "server-id", "from":
		return " " + fmt.Sprint(args[1])
	}
	return ""
}

func suffix(name, add string) string {
	if name == "" {
		return add
	}
	return "." + add
}

// fields turns hclog's alternating names and values into fields.
func fields(args []any) []zap.Field {
	var all []zap.Field
	for i := 0; i+1 < len(args); i += 2 {
		name := fmt.Sprint(args[i])
		switch v := args[i+1].(type) {
		case hclog.Format:
			if format, ok := v[0].(string); ok {
				all = append(all, zap.String(name, fmt.Sprintf(format, v[1:]...)))
			}
		case error:
			all = append(all, zap.NamedError(name, v))
		default:
			all = append(all, zap.Any(name, v))
		}
	}
	return all
}

func (l *logger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l *logger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l *logger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l *logger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l *logger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l *logger) IsTrace() bool         { return false }
func (l *logger) IsDebug() bool         { return false }
func (l *logger) IsInfo() bool          { return false }
func (l *logger) IsWarn() bool          { return true }
func (l *logger) IsError() bool         { return true }
func (l *logger) GetLevel() hclog.Level { return hclog.Warn }

// SetLevel implements hclog.Logger; levels are up to zap.
func (l *logger) SetLevel(hclog.Level) {}

func (l *logger) Name() string       { return l.name }
func (l *logger) ImpliedArgs() []any { return l.args }

// With implements hclog.Logger.
func (l *logger) With(args ...any) hclog.Logger {
	return &logger{l.to, l.name, append(slices.Clip(l.args), args...), l.quiet}
}

// Named implements hclog.Logger.
func (l *logger) Named(name string) hclog.Logger {
	return &logger{l.to, l.name + "." + name, l.args, l.quiet}
}

// ResetNamed implements hclog.Logger.
func (l *logger) ResetNamed(name string) hclog.Logger { return &logger{l.to, name, l.args, l.quiet} }

// StandardLogger implements hclog.Logger.
func (l *logger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return log.New(l.StandardWriter(nil), "", 0)
}

// StandardWriter implements hclog.Logger.
func (l *logger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return (*lines)(l) }

// lines logs what is written to it.
type lines logger

func (w *lines) Write(b []byte) (int, error) {
	(*logger)(w).Warn(string(b))
	return len(b), nil
}
