package hook_test

import (
	"net/http/httptest"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// TestQueryOfClients has clients choose names that every object has a member of: hooks that use
// the members must not fail, and the parameters are still there for those who ask for them.
func TestQueryOfClients(t *testing.T) {
	tests := map[string]struct{ code, want string }{
		"hasOwnProperty": {`[q.query.hasOwnProperty("a"), q.query.hasOwnProperty("b")]`, `[true,false]`},
		"valueOf":        {`q.query.valueOf() === q.query`, `true`},
		"constructor":    {`typeof q.query.constructor`, `"function"`},
		"__proto__":      {`typeof q.query.__proto__`, `"object"`},
		"toString":       {`typeof q.query.toString()`, `"string"`},
		"JSON":           {`q.query`, `{"a":"b","hasOwnProperty":"1","valueOf":"2","constructor":"3","__proto__":"4","toString":"5","get":"6","toJSON":"7"}`},
		"asked for":      {`[q.query.get("valueOf"), q.query.getAll("__proto__"), q.query.has("constructor")]`, `["2",["4"],true]`},
		"assigned":       {`(() => { try { q.query.valueOf = 5 } catch (e) { return e.message } })()`, `"query.valueOf is a method; use query.set(\"valueOf\", value)"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("GET", "/?a=b&hasOwnProperty=1&valueOf=2&constructor=3&__proto__=4&toString=5&get=6&toJSON=7", nil)
			w, err := serve(t, newPool(t, handlerModule(`s.json(`+tt.code+`)`), js.Limits{}), r)
			if err != nil || w.Body.String() != tt.want {
				t.Errorf("got %s, error %v, want %s", w.Body, err, tt.want)
			}
		})
	}
}
