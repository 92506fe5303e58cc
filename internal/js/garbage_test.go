package js

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// doubled is the environment variable that makes this test binary the child of TestGarbage.
const doubled = "DGATE_TEST_DOUBLED"

// A script that doubles a string is interrupted in the end, but rarely for its memory, and each
// time it leaves hundreds of megabytes behind. Those must be gone when the next one starts.
func TestGarbageOfInterruptedScripts(t *testing.T) {
	if underRace || testing.Short() {
		t.Skip("the race detector needs more memory")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("the most memory that the process had is not known here")
	}
	if os.Getenv(doubled) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), doubled+"=1")
		out, err := child.CombinedOutput()
		if t.Logf("%s", out); err != nil {
			t.Error(err)
		}
		return
	}
	e := newTestEngine()
	pool := e.NewPool(compiled(t, e, Limits{}, ts(`export function requestHandler() { let a = "x"; for (;;) a += a }`)), Limits{}, nil)
	defer pool.Close()
	before := peakMemory(t)
	for range 20 {
		vm, err := pool.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		run := vm.Start(t.Context(), 0, nil)
		if _, err := run.Wait(); KindOf(err) != CPU && KindOf(err) != Heap {
			t.Errorf("got %v", err)
		} else {
			t.Logf("%v, %d MiB", KindOf(err), peakMemory(t)>>20)
		}
		run.End()
		pool.Put(vm)
	}
	if peak := peakMemory(t); peak > before+6*DefaultHeap {
		t.Errorf("the process had up to %d MiB, %d at first", peak>>20, before>>20)
	}
}

// peakMemory returns the most memory that the process has had so far, in bytes.
func peakMemory(t *testing.T) uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseUint(strings.Fields(peak)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
