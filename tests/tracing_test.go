package tests

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// span is a span as the console exporter of OpenTelemetry writes it.
type span struct {
	Name        string
	SpanContext struct{ SpanID, TraceID string }
	Parent      struct{ SpanID string }
	Attributes  []struct {
		Key   string
		Value struct{ Value any }
	}
	Status struct{ Code, Description string }
}

// TestTracing: route, hooks and upstream are spans below the one of Caddy's directive tracing, with
// names of resources and nothing else.
func TestTracing(t *testing.T) {
	t.Parallel()
	up := harness.NewUpstream(t, "up", harness.HTTP)
	c := harness.New(t, strings.Replace(caddyfile, "\tdgate\n}\n", "\ttracing\n\tdgate\n}\n", 1))
	c.Setenv("OTEL_TRACES_EXPORTER", "console")
	c.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	g := &gateway{c, t}
	g.service("up", nil, up.URL)
	g.service("down", fields{"retries": 0}, "http://127.0.0.1:1")
	g.route("ok", "up", `export const requestModifier = (ctx) => {}, responseModifier = async (ctx) => {}`, nil)
	g.route("down", "down", "", nil)
	g.route("throws", "", `export const requestHandler = () => { throw new Error("planted") }`, nil)

	echo := g.echo(harness.Request{URL: "/ok/planted?planted=1"})
	for path, want := range map[string]int{"/down": 502, "/throws": 500} {
		if answer := g.do(harness.Request{URL: path}); answer.Status != want {
			t.Fatalf("%s: %s", path, answer)
		}
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}

	byID := map[string]span{}
	for line := range strings.Lines(c.Log()) {
		var s span
		if json.Unmarshal([]byte(line), &s) == nil && s.SpanContext.SpanID != "" {
			byID[s.SpanContext.SpanID] = s
		}
	}
	got := map[string]bool{}
	for _, s := range byID {
		if !strings.HasPrefix(s.Name, "dgate.") {
			continue
		}
		line := byID[s.Parent.SpanID].Name + " > " + s.Name
		for _, a := range s.Attributes {
			line += " " + strings.TrimPrefix(a.Key, "dgate.") + "=" + a.Value.Value.(string)
		}
		if s.Status.Code == "Error" {
			line += " failed" + s.Status.Description
		}
		got[line] = true
		if s.Name == "dgate.upstream" && s.Status.Code != "Error" {
			want := "00-" + s.SpanContext.TraceID + "-" + s.SpanContext.SpanID + "-01"
			if trace := echo.Headers["Traceparent"]; trace != want {
				t.Errorf("the upstream is told %q, want %q", trace, want)
			}
		}
	}
	want := map[string]bool{
		"handler > dgate.route namespace=default route=ok service=up module=ok":     true,
		"dgate.route > dgate.hook hook=requestModifier module=ok":                   true,
		"dgate.route > dgate.upstream namespace=default service=up":                 true,
		"dgate.route > dgate.hook hook=responseModifier module=ok":                  true,
		"handler > dgate.route namespace=default route=down service=down failed":    true,
		"dgate.route > dgate.upstream namespace=default service=down failed":        true,
		"handler > dgate.route namespace=default route=throws module=throws failed": true,
		"dgate.route > dgate.hook hook=requestHandler module=throws failed":         true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}
