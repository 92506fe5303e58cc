package js

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// bombMemory is how much address space a child process may have. A script
	// that passes it ends the child.
	bombMemory = 4 << 30
	// bombTime is how much CPU time a bomb may take. Its limit is a hundredth.
	bombTime = 10 * time.Second
	// patient is for how long a child may be silent.
	patient = 2 * time.Minute
)

// bombed is the environment variable that makes this test binary such a child:
// it names the first bomb to run.
const bombed = "DGATE_TEST_BOMB"

// panicking are the bombs that make goja panic, which ends the call and its VM.
var panicking = []string{"find, native callback", "ownKeys array-like", "ownKeys proxy", "promise constructor", "promise constructor, proto"}

// TestBombs runs every script of the table in a child process with little
// memory, which tells what it is doing, so that a script that ends the process
// or does not return is a row that failed.
func TestBombs(t *testing.T) {
	if underRace || testing.Short() {
		t.Skip("the race detector needs more memory than a child has")
	}
	names := slices.Sorted(maps.Keys(bombs))
	if first, ok := os.LookupEnv(bombed); ok {
		limitMemory(bombMemory)
		for _, name := range names[slices.Index(names, first):] {
			fmt.Printf("bomb %s\n", name)
			fmt.Printf("done %s\n", explode(t, bombs[name]))
		}
		return
	}
	for len(names) > 0 {
		names = names[bombChild(t, names):]
	}
}

// bombChild runs a child, reports what became of the bombs that it has run, and
// returns how many that were.
func bombChild(t *testing.T, names []string) (n int) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestBombs$", "-test.timeout=10m")
	child.Env = append(os.Environ(), bombed+"="+names[0])
	var dying strings.Builder
	child.Stderr = &dying
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	patience := time.AfterFunc(6*bombTime, cancel)
	name := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		patience.Reset(patient)
		if next, ok := strings.CutPrefix(lines.Text(), "bomb "); ok {
			name = next
			n++
		} else if result, ok := strings.CutPrefix(lines.Text(), "done "); ok {
			done := name
			t.Run(done, func(t *testing.T) {
				if t.Log(result); strings.HasPrefix(result, "slow") {
					t.Error("took too long")
				}
				if panicked := strings.Contains(result, "B: panic: "); panicked != slices.Contains(panicking, done) {
					t.Errorf("panicked: %v", panicked)
				}
			})
			name = ""
		}
	}
	patience.Stop()
	err = child.Wait()
	if name != "" {
		t.Run(name, func(t *testing.T) {
			first, _, _ := strings.Cut(dying.String(), "\n")
			t.Errorf("ended the process: %v %v: %s", err, ctx.Err(), first)
		})
	} else if err != nil {
		t.Fatalf("child: %v\n%s", err, dying.String())
	}
	return n
}

// explode runs a script and says in one line how it ended.
func explode(t *testing.T, code string) string {
	start := cpuTime(time.Now())
	res := call(t, newTestEngine(), Limits{}, ts("export function requestHandler() { "+code+" }"))
	took := cpuTime(time.Now()) - start
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	verdict := fmt.Sprintf("%v, %d MiB: ", took.Round(time.Millisecond), mem.HeapSys>>20)
	if took > bombTime {
		verdict = "slow: " + verdict
	}
	if e, ok := errors.AsType[*Error](error(res.err)); ok && e != nil {
		verdict += e.Kind.String() + ": " + truncate(e.Message, 100)
	} else {
		verdict += "ok: " + truncate(res.value, 100)
	}
	res.vm.forget()
	debug.FreeOSMemory()
	return strings.ReplaceAll(verdict, "\n", " ")
}
