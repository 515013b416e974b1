package testutil

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Each check finds what is left, and nothing once it is gone.
func TestChecks(t *testing.T) {
	const word = "ldlab-testutil-leak"
	for name, tt := range map[string]struct {
		check func() Check
		leak  func() (end func())
		want  string
	}{
		"process":    {func() Check { return NoProcesses(word) }, func() func() { return sleeper(t, word) }, word},
		"child":      {NoChildren, func() func() { return sleeper(t, word) }, "child "},
		"descriptor": {func() Check { return NoDescriptors("") }, func() func() { return pipe(t) }, "descriptors of pipe"},
		"named descriptor": {func() Check { return NoDescriptors("testutil") }, func() func() {
			f, err := os.Open("leaks_test.go")
			if err != nil {
				t.Fatal(err)
			}
			return func() { f.Close() }
		}, "leaks_test.go"},
		"goroutine": {NoGoroutines, func() func() {
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() { defer close(stopped); <-stop }()
			return func() { close(stop); <-stopped }
		}, "testutil.TestChecks"},
	} {
		t.Run(name, func(t *testing.T) {
			check := tt.check()
			if left := settled(check); len(left) > 0 {
				t.Fatalf("before: %q", left)
			}
			end := tt.leak()
			if left := check(); len(left) == 0 || !strings.Contains(strings.Join(left, "\n"), tt.want) {
				t.Errorf("found %q, want %q", left, tt.want)
			}
			end()
			if left := settled(check); len(left) > 0 {
				t.Errorf("afterwards: %q", left)
			}
		})
	}
}

// sleeper starts a process with the word in its arguments.
func sleeper(t *testing.T, word string) func() {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.Args[0] = word
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() { cmd.Process.Kill(); cmd.Wait() }
}

func pipe(t *testing.T) func() {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return func() { r.Close(); w.Close() }
}
