package review

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix/changes"
)

// forReal skips a test that builds and boots kernels, or fails it if LDLAB_REQUIRE
// requires it.
func forReal(t *testing.T) Options {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and boots real kernels")
	}
	a := arch.Get("x86_64")
	_, err := exec.LookPath(a.QEMU)
	testutil.Require(t, "qemu", err)
	tables, err := kernels.Load()
	if err != nil {
		t.Fatal(err)
	}
	k, _ := tables.Kernel("stock")
	if _, ok, err := (&kernels.Builder{}).Lookup(t.Context(), kernels.Spec{Kernel: k, Arch: a}); err != nil || !ok {
		testutil.Require(t, "kernels", exec.ErrNotFound)
	}
	return Options{Arches: []string{a.Name}, Base: k.Base, Engine: engine.Options{Out: t.TempDir(), Event: func(e engine.Event) {
		if e.Note != "" {
			t.Log(e.Note)
		}
	}}}
}

func texts(list []changes.Remark) (all []string) {
	for _, m := range list {
		text := m.Text
		if m.Grave {
			text = "*" + text
		}
		all = append(all, text)
	}
	return all
}

// A patch that writes an MSR before it refuses to is found out, with its hunk, and a
// version of it that only changes a comment is not accused of anything.
func TestReviewForReal(t *testing.T) {
	o := forReal(t)
	o.Scenarios, o.Settings = []string{"msr"}, []string{"integrity@boot"}
	o.Series = "testdata/comment.patch"
	v, err := Versions(t.Context(), filepath.Join("..", "..", "kernels", "mutants", "msr-late.patch"), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := texts(v.Repaired); !slices.Contains(got, "*msr/write: LEAK, before enforced") {
		t.Errorf("repaired: %q", got)
	}
	if len(v.Came) != 0 || v.Grave() {
		t.Errorf("a patch of a comment is accused: %q", texts(v.New.Remarks()))
	}
	for _, m := range v.Repaired {
		if m.Grave && (m.Patch != 0 || m.Hunk < 0 || !slices.Equal(m.Arches, []string{"x86_64"})) {
			t.Errorf("it is not told where: %+v", m)
		}
	}
	if !strings.Contains(v.RangeDiff, "1:") {
		t.Errorf("git range-diff: %q", v.RangeDiff)
	}
	for _, a := range v.New.Arches {
		if a.Boot[0] <= 0 || a.Boot[1] <= 0 {
			t.Errorf("boots were not timed: %v ms", a.Boot)
		}
	}
	if len(v.New.Mails) == 0 {
		t.Error("get_maintainer.pl names nobody")
	}
}

// TestReviewsForReal reviews what is known: a fix that is taken out again must be named
// with its feature, its patch and both architectures; the posted series with what it
// changes in the ABI and what its own tests do the second time; the lab's own series
// without a grave remark. It builds many kernels, so only make nightly sets LDLAB_REVIEW.
func TestReviewsForReal(t *testing.T) {
	if os.Getenv("LDLAB_REVIEW") == "" {
		t.Skip("LDLAB_REVIEW is not set; make nightly sets it")
	}
	mutant := func(name string) string { return filepath.Join("..", "..", "kernels", "mutants", name) }
	for _, c := range []struct {
		name   string
		o      Options
		graves []string // that must be there
		only   bool     // and no others
	}{
		{"1da3f145ede4 taken out", Options{Series: mutant("tracefs-dynamic-events.patch"), Scenarios: []string{"tracefs"}},
			[]string{"tracefs/dynamic-events: LEAK, before enforced", "kernel/trace/trace_dynevent.c:dyn_event_open checks tracefs at 0 call sites, before at 1"}, false},
		{"the posted series", Options{Series: "posted", Arches: []string{"x86_64"}},
			[]string{"securityfs/show: lockdown's files answer otherwise; that is an ABI", "securityfs/lower: lockdown's files answer otherwise; that is an ABI"}, false},
		{"the lab's series", Options{Series: "bitmap", Arches: []string{"x86_64"}}, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := forReal(t)
			c.o.Base, c.o.Engine = o.Base, o.Engine
			r, err := Review(t.Context(), c.o)
			if err != nil {
				t.Fatal(err)
			}
			var graves []string
			for _, m := range r.Remarks() {
				t.Logf("%+v", m)
				if m.Grave {
					graves = append(graves, m.Text)
				}
				if slices.Contains(c.graves, m.Text) && len(c.o.Arches) == 0 && len(m.Arches) != len(arch.All()) {
					t.Errorf("%s: on %q only", m.Text, m.Arches)
				}
			}
			for _, want := range c.graves {
				if !slices.Contains(graves, want) {
					t.Errorf("no remark %q: %q", want, graves)
				}
			}
			if c.only && len(graves) != len(c.graves) {
				t.Errorf("grave remarks: %q", graves)
			}
		})
	}
}
