package klog

import (
	"slices"
	"testing"
)

// TestSplats has the kernel's lines, as kernels 6.12 and 7.3 log them.
func TestSplats(t *testing.T) {
	for text, want := range map[string]bool{
		"WARNING: possible circular locking dependency detected":                                         true,
		"WARNING: suspicious RCU usage":                                                                  true,
		"WARNING: CPU: 1 PID: 70 at kernel/trace/trace.c:100 trace_init+0x1/0x2":                         true,
		"WARNING: kernel/trace/trace.c:100 at trace_init+0x1/0x2, CPU#1: ldp-0001/70":                    true,
		"BUG: sleeping function called from invalid context at kernel/locking/mutex.c:283":               true,
		"BUG: scheduling while atomic: ldp-0001/70/0x00000002":                                           true,
		"BUG: MAX_LOCKDEP_ENTRIES too low!":                                                              true,
		"INFO: trying to register non-static key.":                                                       true,
		"UBSAN: shift-out-of-bounds in lib/x.c:1:2":                                                      true,
		"WARNING: CPU: 0 PID: 9 at security/lockdown/lockdown.c:63 lockdown_is_locked_down+0x8/0x90":     true,
		"rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:":                                          false,
		"watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [ldp-0001:70]":                                false,
		"BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 33s!":                     false,
		"Lockdown: WARNING: kexec of unsigned images is restricted; see man kernel_lockdown.7":           false,
		"------------[ cut here ]------------":                                                           false,
		"Call Trace:":                                                                                    false,
		"ldlab_nop: module verification failed: signature and/or required key missing - tainting kernel": false,
	} {
		var s Splats
		s.Look(Record{Text: text})
		s.Look(Record{Text: text, User: true})
		if lines := s.Take(); slices.Equal(lines, []string{text}) != want || !want && len(lines) > 0 {
			t.Errorf("%q: %q", text, lines)
		}
	}
}

// The warnings of lockdown's own suite are announced, two at a time.
func TestSplatsExpected(t *testing.T) {
	const warning = "WARNING: CPU: 0 PID: 9 at security/lockdown/lockdown.c:63 lockdown_is_locked_down+0x8/0x90"
	var s Splats
	s.Look(Record{Text: "    # invalid_reason_is_refused: two warnings are expected here"})
	for range 3 {
		s.Look(Record{Text: warning})
	}
	s.Look(Record{Text: "two warnings are expected here", User: true})
	s.Look(Record{Text: warning})
	if lines := s.Take(); !slices.Equal(lines, []string{warning, warning}) {
		t.Errorf("got %q", lines)
	}
	for range 2 * maxSplats {
		s.Look(Record{Text: warning})
	}
	if lines := s.Take(); len(lines) != maxSplats {
		t.Errorf("kept %d lines", len(lines))
	}
}

func TestTraces(t *testing.T) {
	for _, tc := range []struct {
		tainted, stats string
		want           int
	}{
		{"0\n", "", 0}, {"12288\n", "", 0}, {"512\n", "", 1}, {"4608\n", "", 1}, {"262656\n", "", 0}, {"", "", 0}, {"x", "", 0},
		{"0\n", " lock-classes:   500 [max: 8192]\n debug_locks:                             1\n", 0},
		{"512\n", " lock-classes:   500 [max: 8192]\n debug_locks:                             0\n", 2},
	} {
		if got := Traces(tc.tainted, tc.stats); len(got) != tc.want {
			t.Errorf("%q, %q: %q", tc.tainted, tc.stats, got)
		}
	}
}
