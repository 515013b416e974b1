package tracefs

import (
	"slices"
	"testing"

	"github.com/ldlab/ldlab/scenarios/internal/sweep"
)

func TestUnchecked(t *testing.T) {
	for file, want := range map[string]bool{
		"trace":                                  false,
		"events/sched/sched_switch/format":       true,
		"events/sched/sched_switch/enable":       false,
		"events/format":                          false,
		"rv/monitors/wip/enable":                 true,
		"rv/monitoring_on":                       true,
		"osnoise/options":                        true,
		"osnoise/cpus":                           false,
		"instances/a/events/x/y/id":              true,
		"instances/a/trace":                      false,
		"instances/a/events/sched/filter":        false,
		"per_cpu/cpu0/trace":                     false,
		"user_events_data":                       true,
		"osnoise/per_cpu/cpu12/timerlat_fd":      true,
		"instances/enabled_functions/trace_pipe": false,
	} {
		if unchecked(sweep.File{Path: file}) != want {
			t.Errorf("unchecked(%q) = %t", file, !want)
		}
	}
}

// TestSample wants each event once, and every name among the files.
func TestSample(t *testing.T) {
	var s sample
	var list []sweep.File
	for _, event := range []string{"events/a/enable", "events/a/filter", "events/a/x", "events/a/y", "events/a/z", "events/b/v", "events/b/w", "trace"} {
		if s.leaves(event) || event == "trace" {
			continue
		}
		list = append(list, sweep.File{Path: event + "/enable", Mode: 0o640}, sweep.File{Path: event + "/id", Mode: 0o440})
	}
	list = list[4:] // enable and filter are files
	want := []sweep.File{{Path: "events/a/y/enable", Mode: 0o640}, {Path: "events/a/z/id", Mode: 0o440}, {Path: "events/b/w/enable", Mode: 0o640}}
	if got := s.files(list); !slices.Equal(got, want) {
		t.Errorf("sample: %v, want %v", got, want)
	}
}

// A file that is opened alone is refused by the rule, and harmless.
func TestAlone(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range alone {
		if unchecked(sweep.File{Path: file}) || acts(file) || seen[file] {
			t.Errorf("%s is an exception, does something or is there twice", file)
		}
		seen[file] = true
	}
}
