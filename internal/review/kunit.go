package review

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/ktap"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix/changes"
)

// maxSuites bounds the output of all suites in a guest, in bytes.
const maxSuites = 4 << 20

var newSymbol = regexp.MustCompile(`^\+(?:menu)?config ([A-Z0-9_]+)$`)

// suites lists the symbols (CONFIG_X) of KUnit suites that the series adds: those of its
// Kconfig files whose lines name KUNIT.
func suites(patches []kernels.Patch) (list []string) {
	for _, p := range patches {
		for _, h := range p.Hunks() {
			if !strings.HasPrefix(path.Base(h.File), "Kconfig") {
				continue
			}
			symbol := ""
			for _, line := range h.Lines {
				if m := newSymbol.FindStringSubmatch(line); m != nil {
					symbol = "CONFIG_" + m[1]
				}
				if symbol != "" && strings.HasPrefix(line, "+") && strings.Contains(line, "KUNIT") && !slices.Contains(list, symbol) {
					list = append(list, symbol)
				}
			}
		}
	}
	return list
}

// Commands of the guest's shell. The results of a suite can be read after a lock, because
// their files may only be read; to run it again, a file is written, which lockdown refuses.
// A suite of code that is gone after boot has no such file (kunit_debugfs_create_suite(),
// v6.8), so nothing can run it again, and that is no refusal.
const (
	showSuites = `cd /sys/kernel/debug/kunit && for s in *; do cat "$s/results" || echo ` + unread + `; done`
	runSuites  = `cd /sys/kernel/debug/kunit && for s in *; do [ ! -e "$s/run" ] || echo 1 >"$s/run" || echo ` + refused + `; done`
	refused    = "ldlab-cannot-run-it-again"
	unread     = "ldlab-cannot-read-it"
)

// kunit builds the series with the suites that it adds, on the first architecture, and
// runs them at boot, again, and at boot with a level locked. The kernel shares no object
// with others, because KUnit is in a header that all have.
func (r *reviewer) kunit(ctx context.Context) error {
	symbols := suites(r.spec.Series[0].Patches)
	if len(symbols) == 0 || r.NoKUnit || r.result.Broken != "" {
		return nil
	}
	config := "CONFIG_KUNIT=y  # the suites of the series\nCONFIG_KUNIT_DEBUGFS=y  # their results\n"
	for _, s := range symbols {
		config += s + "=y  # a suite of the series\n"
	}
	for _, run := range []struct{ setting, when, command string }{
		{"none", "at boot", showSuites},
		{"none", "again", runSuites + "; " + showSuites},
		{"confidentiality@boot", "at boot with confidentiality locked", showSuites},
	} {
		text, err := r.shell(ctx, run.setting, run.command, config)
		var broken *kernels.MakeError
		var missing *kernels.ConfigError
		if errors.As(err, &broken) || errors.As(err, &missing) {
			r.result.Notes = append(r.result.Notes, fmt.Sprintf("the suites of the series do not build (%s): %v", strings.Join(symbols, ", "), err))
			return nil
		}
		if ctx.Err() != nil {
			return cause(ctx, err)
		}
		k := changes.KUnitRun{Arch: r.arches()[0].Name, When: run.when, Locked: run.setting != "none", Refused: strings.Contains(text, refused)}
		if err != nil { // what was measured before stays
			k.Lost = err.Error()
		} else if !strings.Contains(text, unread) {
			k.Tests, _ = ktap.Parse(text)
		}
		r.result.KUnit = append(r.result.KUnit, k)
	}
	return nil
}

// shell runs a command in a guest of the series with more configuration.
func (r *reviewer) shell(ctx context.Context, setting, command, config string) (string, error) {
	k := r.kernel(true)
	k.Name, k.Tree = "kunit-"+seriesName, "kunit"
	t := r.tables.With(k)
	b := &kernels.Builder{Tables: t, Cache: r.Engine.Cache}
	sel := plan.Selection{Kernels: []string{k.Name}, Arches: []string{r.arches()[0].Name}, Settings: []string{setting}}
	in := kernels.Resolved{Source: r.source, Series: slices.Clone(r.spec.Series), Below: true, Config: config}
	p, err := plan.New(t, sel, in, func(s kernels.Spec) (kernels.Identity, error) { return b.Identify(ctx, s) })
	if err != nil {
		return "", err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return "", err
	}
	defer null.Close()
	out := &limited{left: maxSuites}
	var errs limited
	errs.left = 4096
	o := r.Engine
	o.Console = false
	status, err := engine.Shell(ctx, p, o, engine.Terminal{In: null, Out: out, Err: &errs}, command)
	if err == nil && status != 0 {
		r.note("KUnit under %s: the guest's shell ended with %d: %s", setting, status, strings.TrimSpace(errs.String()))
	}
	return out.String(), err
}

// limited keeps the first bytes that are written to it.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	l.Buffer.Write(b[:n])
	return len(b), nil
}
