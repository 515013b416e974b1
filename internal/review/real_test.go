package review

import (
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
	if len(v.New.Mails) == 0 {
		t.Error("get_maintainer.pl names nobody")
	}
}
