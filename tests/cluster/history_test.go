package cluster

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// kind is what a client did with a register.
type kind int

const (
	read kind = iota
	write
	swap // write if it has the old value
)

// operation is the input of a step of the history, and result its output.
type (
	operation struct {
		kind       kind
		key        string
		old, value string
	}
	result struct {
		outcome
		value string // what was read
	}
)

// forever is when an operation returns whose outcome is not known: after all others, so that it may
// take effect at any time, or never as far as anybody has seen.
const forever = math.MaxInt64

// registers is the model: each key holds a value, at first "", no two writes have the same value.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		keys := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(operation).key
			keys[key] = append(keys[key], op)
		}
		var all [][]porcupine.Operation
		for _, one := range keys {
			all = append(all, one)
		}
		return all
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		value, in, out := state.(string), input.(operation), output.(result)
		switch in.kind {
		case read:
			return out.value == value, value
		case write:
			return true, in.value
		}
		holds := value == in.old
		switch {
		case out.outcome == refused:
			return !holds, value
		case holds:
			return true, in.value
		}
		return out.outcome == unknown, value
	},
	DescribeOperation: func(input, output any) string {
		in, out := input.(operation), output.(result)
		outcome := map[outcome]string{refused: " refused", unknown: " ?"}[out.outcome]
		switch in.kind {
		case read:
			return fmt.Sprintf("read %s: %q", in.key, out.value)
		case write:
			return fmt.Sprintf("write %s = %q%s", in.key, in.value, outcome)
		}
		return fmt.Sprintf("swap %s %q → %q%s", in.key, in.old, in.value, outcome)
	},
}

// linearizable checks the history, and says what came out. If it cannot have happened in one order,
// the test fails and leaves a picture of it.
func (w *workload) linearizable() string {
	w.t.Helper()
	began := time.Now()
	verdict, info := porcupine.CheckOperationsVerbose(registers, w.history, time.Minute)
	switch verdict {
	case porcupine.Ok:
		return fmt.Sprintf("linearizable (found in %v)", time.Since(began).Round(time.Millisecond))
	case porcupine.Unknown:
		w.t.Errorf("nobody knows within a minute whether a history of %d operations with %d open ones is linearizable", len(w.history), w.ambiguous)
	case porcupine.Illegal:
		picture := filepath.Join(os.TempDir(), fmt.Sprintf("%s-%d.html", filepath.Base(w.t.Name()), os.Getpid()))
		if err := porcupine.VisualizePath(registers, info, picture); err != nil {
			w.t.Error(err)
		}
		w.t.Errorf("the history is not linearizable: see %s", picture)
	}
	return string(verdict)
}

// The model itself finds what it is there for.
func TestRegisters(t *testing.T) {
	t.Parallel()
	op := func(client int, in operation, out result, call, ret int64) porcupine.Operation {
		in.key = "k"
		return porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: ret}
	}
	wrote := func(value string, call, ret int64) porcupine.Operation {
		return op(0, operation{kind: write, value: value}, result{}, call, ret)
	}
	saw := func(value string, call, ret int64) porcupine.Operation {
		return op(1, operation{kind: read}, result{value: value}, call, ret)
	}
	swapped := func(old, value string, out outcome, call, ret int64) porcupine.Operation {
		return op(2, operation{kind: swap, old: old, value: value}, result{outcome: out}, call, ret)
	}
	tests := map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"one after the other":                       {[]porcupine.Operation{wrote("a", 1, 2), saw("a", 3, 4)}, true},
		"at the same time, either order":            {[]porcupine.Operation{wrote("a", 1, 5), saw("", 2, 3)}, true},
		"an acknowledged write is lost":             {[]porcupine.Operation{wrote("a", 1, 2), saw("", 3, 4)}, false},
		"a stale read":                              {[]porcupine.Operation{wrote("a", 1, 2), wrote("b", 3, 4), saw("a", 5, 6)}, false},
		"a swap of what is there":                   {[]porcupine.Operation{wrote("a", 1, 2), swapped("a", "b", done, 3, 4), saw("b", 5, 6)}, true},
		"a swap of what is not there":               {[]porcupine.Operation{wrote("a", 1, 2), swapped("x", "b", done, 3, 4)}, false},
		"a refused swap of what is there":           {[]porcupine.Operation{wrote("a", 1, 2), swapped("a", "b", refused, 3, 4)}, false},
		"an unknown swap that has happened":         {[]porcupine.Operation{wrote("a", 1, 2), swapped("a", "b", unknown, 3, forever), saw("b", 5, 6)}, true},
		"an unknown swap that has not":              {[]porcupine.Operation{wrote("a", 1, 2), swapped("a", "b", unknown, 3, forever), saw("a", 5, 6)}, true},
		"an unknown swap that is there and is gone": {[]porcupine.Operation{wrote("a", 1, 2), swapped("a", "b", unknown, 3, forever), saw("b", 5, 6), saw("a", 7, 8)}, false},
		"two swaps of the same value": {
			[]porcupine.Operation{wrote("a", 1, 2), swapped("a", "b", done, 3, 6), swapped("a", "c", done, 4, 5)}, false,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := porcupine.CheckOperations(registers, tt.history); got != tt.want {
				t.Errorf("linearizable: %t, want %t", got, tt.want)
			}
		})
	}
}
