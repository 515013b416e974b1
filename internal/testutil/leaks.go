package testutil

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Check reports what tests have left behind, one line each.
type Check func() []string

// Main runs the tests, then the checks, and returns the exit status, which is
// not 0 if tests failed or left something behind. It is for TestMain.
func Main(m *testing.M, checks ...Check) int {
	code := m.Run()
	for _, check := range checks {
		if left := settled(check); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "left behind by tests:\n\t%s\n", strings.Join(left, "\n\t"))
			code = max(code, 1)
		}
	}
	return code
}

// settleTime is how long what ends on its own may take, as a process does that
// was killed. It only passes if something is left.
const settleTime = 10 * time.Second

func settled(check Check) []string {
	for end := time.Now().Add(settleTime); ; time.Sleep(10 * time.Millisecond) {
		if left := check(); len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// NoProcesses finds processes other than this one that have word in their
// arguments, as the name of a temporary directory of the tests.
func NoProcesses(word string) Check {
	return func() []string { return Processes(word) }
}

// Processes lists processes other than this one that have word in their
// arguments, and are not only waiting to be reaped: pid and arguments.
func Processes(word string) (found []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		pid := filepath.Base(filepath.Dir(f))
		args, err := os.ReadFile(f) // empty for a zombie
		if err == nil && pid != strconv.Itoa(os.Getpid()) && bytes.Contains(args, []byte(word)) {
			found = append(found, fmt.Sprintf("process %s: %q", pid, bytes.ReplaceAll(bytes.TrimRight(args, "\x00"), []byte{0}, []byte{' '})))
		}
	}
	return found
}

// NoChildren finds children of this process, except for those that it has when
// NoChildren is called.
func NoChildren() Check {
	before := children()
	return func() (found []string) {
		for pid, name := range children() {
			if _, old := before[pid]; !old {
				found = append(found, fmt.Sprintf("child %s: %s", pid, name))
			}
		}
		slices.Sort(found)
		return found
	}
}

// children are the children of this process, by pid; zombies are children, too.
func children() map[string]string {
	found := map[string]string{}
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, l := range lists {
		pids, _ := os.ReadFile(l)
		for _, pid := range strings.Fields(string(pids)) {
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			found[pid] = strings.TrimSpace(string(name))
		}
	}
	return found
}

// NoDescriptors finds open descriptors of this process whose target contains
// word; with an empty word, all that are not open when NoDescriptors is called.
func NoDescriptors(word string) Check {
	before := map[string]int{}
	if word == "" {
		before = descriptors()
	}
	return func() (found []string) {
		now := descriptors()
		for _, to := range slices.Sorted(maps.Keys(now)) {
			if strings.Contains(to, word) && now[to] > before[to] {
				found = append(found, fmt.Sprintf("%d descriptors of %s, %d before", now[to], to, before[to]))
			}
		}
		return found
	}
}

// descriptors counts open descriptors by target. The runtime's own, which it
// opens when it likes, are left out.
func descriptors() map[string]int {
	found := map[string]int{}
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, l := range links {
		to, err := os.Readlink(l)
		if err != nil || to == "anon_inode:[eventpoll]" || to == "anon_inode:[eventfd]" || to == "anon_inode:[pidfd]" {
			continue
		}
		kind, _, numbered := strings.Cut(to, ":[")
		if numbered { // pipe:[4711]
			to = kind
		}
		found[to]++
	}
	return found
}

// NoGoroutines finds goroutines that do not run when NoGoroutines is called,
// except for those of the testing package and the runtime.
func NoGoroutines() Check {
	before := goroutines()
	return func() (found []string) {
		for id, stack := range goroutines() {
			if _, old := before[id]; !old {
				found = append(found, "goroutine "+strings.ReplaceAll(stack, "\n", "\n\t"))
			}
		}
		slices.Sort(found)
		return found
	}
}

func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	found := map[string]string{}
	for _, stack := range strings.Split(string(buf), "\n\n") {
		stack = strings.TrimPrefix(stack, "goroutine ")
		id, _, _ := strings.Cut(stack, " ")
		if !strings.Contains(stack, "\ncreated by testing.") && !strings.Contains(stack, "\ncreated by runtime.") &&
			!strings.Contains(stack, "os/signal.loop") && !strings.Contains(stack, "testutil.goroutines") {
			found[id] = stack
		}
	}
	return found
}
