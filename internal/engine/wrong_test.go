package engine

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/lockdown"
)

// An answerer answers the operations of a sequence. Group names concurrent
// operations; a wrong kernel may run them in any way.
type answerer func(lockdown.Op) lockdown.Op

// sane is the model itself.
func sane(k lockdown.Interface, s lockdown.Setting) answerer { return lockdown.NewModel(k, s).Answer }

// reads is a kernel that reads different data from what was written.
func reads(as func(file, data string) string) func(lockdown.Interface, lockdown.Setting) answerer {
	return func(k lockdown.Interface, s lockdown.Setting) answerer {
		m := lockdown.NewModel(k, s)
		return func(s lockdown.Op) lockdown.Op {
			data := s.Data
			if s.Call == "write" {
				s.Data = as(s.File, data)
			}
			got := m.Answer(s)
			if s.Call == "write" {
				got.Data = data
			}
			return got
		}
	}
}

// onReasons changes the writes to the reasons file only.
func onReasons(as func(string) string) func(file, data string) string {
	return func(file, data string) string {
		if file == lockdown.ReasonsFile {
			return as(data)
		}
		return data
	}
}

// racy is a kernel that compares first and stores later, as mainline does:
// concurrent writers all see the earlier level, and the last one's level stays.
func racy(k lockdown.Interface, s lockdown.Setting) answerer {
	setting, group := s, 0
	var before, since []lockdown.Op // at the start of the group
	m := lockdown.NewModel(k, s)
	return func(s lockdown.Op) lockdown.Op {
		if s.Group == 0 || s.Group != group {
			before, since = append(before, since...), nil
		}
		group = s.Group
		if s.Group != 0 && s.Call == "write" && s.File == lockdown.LevelFile && s.At == 0 && !s.Same {
			old := lockdown.NewModel(k, setting)
			for _, s := range before {
				old.Answer(s)
			}
			got := old.Answer(s)
			if got.Err == "" {
				m, since = old, nil
			} else {
				m.Answer(s) // the same operation, on its descriptor
			}
			since = append(since, s)
			return got
		}
		since = append(since, s)
		return m.Answer(s)
	}
}

// recognized returns the known reasons in a list.
func recognized(data string) string {
	var words []string
	for _, w := range strings.Split(data, ",") {
		if slices.Contains(lockdown.Tokens(), w) && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return strings.Join(words, ",")
}

// locksAll reports whether all reasons of integrity are locked.
func locksAll(m *lockdown.Model) bool {
	return !slices.ContainsFunc(lockdown.Reasons(), func(r lockdown.ReasonInfo) bool { return r.Level == lockdown.Integrity && !m.Locked(r.Reason) })
}

// on runs the hunt's sequences on kernels in this process.
func (h *hunt) on(boot func(lockdown.Interface, lockdown.Setting) answerer) *hunt {
	h.run = func(s lockdown.Setting, sequence []lockdown.Op) ([]lockdown.Op, error) {
		k := boot(h.iface, s)
		var answers []lockdown.Op
		for _, step := range sequence {
			answers = append(answers, k(step))
		}
		return answers, nil
	}
	return h
}

// A silentTB is a test that may fail.
type silentTB struct {
	*testing.T
	failed bool
}

func (s *silentTB) Failed() bool          { return s.failed }
func (s *silentTB) Fail()                 { s.failed = true }
func (s *silentTB) FailNow()              { s.failed = true; runtime.Goexit() }
func (s *silentTB) Error(...any)          { s.failed = true }
func (s *silentTB) Errorf(string, ...any) { s.failed = true }
func (s *silentTB) Fatal(...any)          { s.FailNow() }
func (s *silentTB) Fatalf(string, ...any) { s.FailNow() }
func (s *silentTB) Log(...any)            {}
func (s *silentTB) Logf(string, ...any)   {}

// fails reports whether the hunt fails a test.
func (h *hunt) fails(t *testing.T) bool {
	tb := &silentTB{T: t}
	done := make(chan bool)
	go func() { // for FailNow
		defer close(done)
		rapid.Check(tb, h.check)
	}()
	<-done
	return tb.failed
}

// TestModelNotices hunts in kernels that are wrong in one way. Each must be
// found, and the sequence shrunk to the operations that show it.
func TestModelNotices(t *testing.T) {
	setRapid(t, 200, 1) // the same sequences every time, so that the test is reproducible
	for _, tc := range []struct {
		name  string
		iface lockdown.Interface
		boot  func(lockdown.Interface, lockdown.Setting) answerer
		ops   int // of the smallest sequence, at most
	}{
		{"case does not matter", lockdown.Bitmap, reads(func(_, d string) string { return strings.ToLower(d) }), 1},
		{"case does not matter in the level file", lockdown.Upstream, reads(func(_, d string) string { return strings.ToLower(d) }), 1},
		{"blanks are stripped", lockdown.Bitmap, reads(func(_, d string) string { return strings.Trim(d, " \t") }), 1},
		{"all newlines are stripped", lockdown.Upstream, reads(func(_, d string) string { return strings.TrimRight(d, "\n") }), 1},
		{"no newline is stripped", lockdown.Bitmap, reads(func(_, d string) string { return strings.ReplaceAll(d, "\n", "?") }), 1},
		{"a NUL ends a list", lockdown.Bitmap, reads(onReasons(func(d string) string { d, _, _ = strings.Cut(d, "\x00"); return d })), 1},
		{"a NUL is a byte like others", lockdown.Upstream, reads(func(_, d string) string { return strings.ReplaceAll(d, "\x00", "?") }), 1},
		{"empty words are skipped", lockdown.Bitmap, reads(onReasons(func(d string) string { return strings.Trim(strings.ReplaceAll(d, ",,", ","), ",") })), 1},
		{"blanks separate", lockdown.Bitmap, reads(onReasons(func(d string) string { return strings.ReplaceAll(d, " ", ",") })), 1},
		{"a too long list is accepted", lockdown.Bitmap, reads(onReasons(func(d string) string {
			if len(d) > 4096 && recognized(d) == "msr" {
				return "msr"
			}
			return d
		})), 1},
		{"4096 bytes are too long", lockdown.Bitmap, reads(onReasons(func(d string) string {
			if len(d) >= 4096 {
				return "?"
			}
			return d
		})), 1},
		{"known reasons of a bad list are locked", lockdown.Bitmap, func(k lockdown.Interface, s lockdown.Setting) answerer {
			m := lockdown.NewModel(k, s)
			return func(s lockdown.Op) lockdown.Op {
				got := m.Answer(s)
				if s.Call == "write" && s.File == lockdown.ReasonsFile && s.At == 0 && got.Err != "" {
					m.Answer(lockdown.Op{Call: "write", File: s.File, Same: true, Data: recognized(s.Data)})
				}
				return got
			}
		}, 2},
		{"a locked reason is denied", lockdown.Bitmap, func(k lockdown.Interface, s lockdown.Setting) answerer {
			m := lockdown.NewModel(k, s)
			return func(s lockdown.Op) lockdown.Op {
				was := map[lockdown.Reason]bool{}
				for _, w := range lockdown.Tokens() {
					was[lockdown.Reason(w)] = m.Locked(lockdown.Reason(w))
				}
				got := m.Answer(s)
				if s.Call == "write" && s.File == lockdown.ReasonsFile && got.Err == "" &&
					!slices.ContainsFunc(strings.Split(strings.TrimSuffix(s.Data, "\n"), ","), func(w string) bool { return !was[lockdown.Reason(w)] }) {
					got.Err = "EPERM"
				}
				return got
			}
		}, 2},
		{"a level can be lowered", lockdown.Upstream, func(k lockdown.Interface, s lockdown.Setting) answerer {
			m := lockdown.NewModel(k, s)
			return func(s lockdown.Op) lockdown.Op {
				got := m.Answer(s)
				if l, err := lockdown.ParseLevel(strings.TrimSuffix(s.Data, "\n")); err == nil && got.Err == "EPERM" {
					m, got.Err = lockdown.NewModel(k, lockdown.Setting{Level: l}), ""
				}
				return got
			}
		}, 2},
		{"all reasons of a level are a level", lockdown.Bitmap, func(k lockdown.Interface, s lockdown.Setting) answerer {
			m := lockdown.NewModel(k, s)
			return func(s lockdown.Op) lockdown.Op {
				if s.Call == "read" && s.File == lockdown.LevelFile && locksAll(m) {
					return lockdown.NewModel(k, lockdown.Setting{Level: lockdown.Integrity}).Answer(s)
				}
				return m.Answer(s)
			}
		}, 2},
		{"a level whose reasons are locked is denied", lockdown.Bitmap, func(k lockdown.Interface, s lockdown.Setting) answerer {
			m := lockdown.NewModel(k, s)
			return func(s lockdown.Op) lockdown.Op {
				before := locksAll(m)
				got := m.Answer(s)
				if before && s.Call == "write" && strings.TrimSuffix(s.Data, "\n") == "integrity" && s.File == lockdown.LevelFile {
					got.Err = "EPERM"
				}
				return got
			}
		}, 3},
		{"a write may be in pieces", lockdown.Bitmap, func(k lockdown.Interface, s lockdown.Setting) answerer {
			m := lockdown.NewModel(k, s)
			text := ""
			return func(s lockdown.Op) lockdown.Op {
				if !s.Same {
					text = ""
				}
				text += s.Data
				got := m.Answer(s)
				if s.Call == "write" && s.Same && got.Err == "EINVAL" {
					joined := s
					joined.Data = text
					got.Err = m.Answer(joined).Err
				}
				return got
			}
		}, 2},
		{"the offset does not matter", lockdown.Bitmap, func(k lockdown.Interface, s lockdown.Setting) answerer {
			m := lockdown.NewModel(k, s)
			return func(s lockdown.Op) lockdown.Op {
				at := s.At
				if s.Call == "write" {
					s.At = 0
				}
				got := m.Answer(s)
				got.At = at
				return got
			}
		}, 2},
		{"a write moves the offset", lockdown.Bitmap, func(k lockdown.Interface, s lockdown.Setting) answerer {
			m := lockdown.NewModel(k, s)
			moved := false
			return func(s lockdown.Op) lockdown.Op {
				moved = moved && s.Same
				if moved && s.Call == "write" && s.File == lockdown.ReasonsFile {
					s.Err = "EINVAL"
					return s
				}
				got := m.Answer(s)
				moved = moved || s.Call == "write" && got.Err == ""
				return got
			}
		}, 2},
		// Concurrent writers; a sequential one is answered correctly.
		{"an update is lost", lockdown.Bitmap, func(k lockdown.Interface, s lockdown.Setting) answerer {
			m := lockdown.NewModel(k, s)
			group := 0
			return func(s lockdown.Op) lockdown.Op {
				lost := s.Group != 0 && s.Group == group && s.Call == "write" && s.File == lockdown.ReasonsFile && !s.Same
				if group = s.Group; lost {
					told := lockdown.NewModel(k, lockdown.Setting{}).Answer(s)
					m.Answer(lockdown.Op{Call: "write", File: s.File}) // the next operation on the descriptor depends on it
					return told
				}
				return m.Answer(s)
			}
		}, 4},
		{"two writers raise the level to the same value", lockdown.Bitmap, func(k lockdown.Interface, s lockdown.Setting) answerer {
			m := lockdown.NewModel(k, s)
			group := 0
			return func(s lockdown.Op) lockdown.Op {
				second := s.Group != 0 && s.Group == group
				got := m.Answer(s)
				if group = s.Group; second && got.Err == "EPERM" && s.Data == "integrity" {
					got.Err = ""
				}
				return got
			}
		}, 3},
		{"a level is stored without a check", lockdown.Bitmap, racy, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			settings, err := plan.ParseSettings([]string{"none", "none", "integrity@runtime"})
			if err != nil {
				t.Fatal(err)
			}
			h := (&hunt{iface: tc.iface, settings: settings}).on(tc.boot)
			if !h.fails(t) || h.found == nil || h.found.To > tc.ops {
				t.Fatalf("after %d sequences, %s\nwant a difference in %d operations", h.sequences, h.report(), tc.ops)
			}
			t.Log(h.report())
		})
	}
}

// TestModelAgrees hunts in correct kernels, and checks that the hunt covers
// what could be wrong.
func TestModelAgrees(t *testing.T) {
	setRapid(t, 300, 1)
	for _, tc := range []struct {
		name  string
		iface lockdown.Interface
		boot  func(lockdown.Interface, lockdown.Setting) answerer
		seen  []string
	}{
		{"bitmap", lockdown.Bitmap, sane, []string{
			"lockdown = ok", "lockdown = EINVAL", "lockdown = EPERM", "lockdown_reasons = ok", "lockdown_reasons = EINVAL",
			"4095 bytes ok", "4096 bytes ok", "4097 bytes EINVAL", "0 bytes EINVAL",
			"on one descriptor ok", "on one descriptor EINVAL", "at an offset ok", "at an offset ESPIPE", "at once ok", "at once EPERM",
			"[none]", "[integrity]", "[confidentiality]", "all reasons of a level, and not the level",
		}},
		{"tristate", lockdown.Upstream, sane, []string{
			"lockdown = ok", "lockdown = EINVAL", "lockdown = EPERM", "lockdown_reasons = ENOENT",
			"4096 bytes EPERM", "5000 bytes EINVAL", "0 bytes EINVAL", "on one descriptor ok", "at an offset ok", "at once ok", "at once EPERM",
			"[none]", "[integrity]", "[confidentiality]",
		}},
		{"mainline's race", lockdown.Upstream, racy, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			settings, err := plan.ParseSettings([]string{"none", "integrity@runtime", "confidentiality@boot"})
			if err != nil {
				t.Fatal(err)
			}
			h := (&hunt{iface: tc.iface, settings: settings}).on(tc.boot)
			seen := map[string]int{}
			run := h.run
			h.run = func(s lockdown.Setting, sequence []lockdown.Op) ([]lockdown.Op, error) {
				answers, err := run(s, sequence)
				account(seen, answers)
				return answers, err
			}
			rapid.Check(t, h.check)
			for _, what := range tc.seen {
				if seen[what] == 0 {
					t.Errorf("never %s in %d sequences of %d operations", what, h.sequences, h.ops)
				}
			}
			t.Logf("%d sequences of %d operations: %v", h.sequences, h.ops, seen)
		})
	}
}

// account counts the features of the answers.
func account(seen map[string]int, answers []lockdown.Op) {
	all := false // the last write locked all reasons of a level, one by one
	for _, s := range answers {
		ret := s.Err
		if ret == "" {
			ret = "ok"
		}
		if s.Call == "read" {
			for _, l := range []string{"[none]", "[integrity]", "[confidentiality]"} {
				if s.File == lockdown.LevelFile && strings.Contains(s.Data, l) {
					seen[l]++
					if all && l == "[none]" {
						seen["all reasons of a level, and not the level"]++
					}
				}
			}
			continue
		}
		m := lockdown.NewModel(lockdown.Bitmap, lockdown.Setting{})
		all = s.Group == 0 && m.Answer(s).Err == "" && s.File == lockdown.ReasonsFile && locksAll(m)
		seen[s.File[len(lockdown.Dir)+1:]+" = "+ret]++
		if n := len(s.Data); slices.Contains([]int{0, 4095, 4096, 4097, 5000}, n) {
			seen[fmt.Sprintf("%d bytes %s", n, ret)]++
		}
		if s.Same {
			seen["on one descriptor "+ret]++
		}
		if s.At != 0 {
			seen["at an offset "+ret]++
		}
		if s.Group != 0 {
			seen["at once "+ret]++
		}
	}
}
