package js

import (
	"strconv"
	"testing"
	"time"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"
)

// TestAwait waits, after a hook has settled, for promises that it has left behind.
func TestAwait(t *testing.T) {
	inBubble(t, Limits{}, `import { later } from "dgate/test";
export const requestHandler = () => [
	later("a"), later("fail"), 5, Promise.resolve().then(() => later("b")), Promise.resolve("c"),
	new Promise(() => {}), new Promise((resolve) => setTimeout(resolve, 1e6)), Promise.resolve("d"),
]`, func(t *testing.T, vm *VM) {
		start := time.Now()
		run := vm.Start(t.Context(), 0, nil)
		defer run.End()
		v, err := run.Wait()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range 8 {
			v, err := run.Await(v.(*goja.Object).Get(strconv.Itoa(i)))
			if err != nil {
				got = append(got, KindOf(err).String())
			} else {
				got = append(got, v.String())
			}
		}
		if diff := cmp.Diff([]string{"a", "reject", "5", "b", "c", "timeout", "timeout", "d"}, got); diff != "" {
			t.Errorf("settled with (-want +got):\n%s", diff)
		}
		if d := time.Since(start); d != DefaultTimeout {
			t.Errorf("took %v, want %v", d, DefaultTimeout)
		}
	})
}
