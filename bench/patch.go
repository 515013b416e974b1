package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
)

// The line that the patch changes: the check of /dev/mem.
const (
	patchFile = "drivers/char/mem.c"
	patchLine = "	rc = security_locked_down(LOCKDOWN_DEV_MEM);"
)

// patched selects one probe on the lab's kernel with series on top.
func patched(series ...string) plan.Selection {
	return plan.Selection{Arches: []string{"x86_64"}, Settings: []string{"integrity@boot"}, Probes: []string{oneProbe}, Series: series}
}

// openPatch measures the time from a one-line series on top of the lab's kernel
// to its verdict, with warm caches. The line differs each time, so that no
// cache has its result, and permits every access, so that any verdict other
// than LEAK is stale. The guests boot, because a template that is used once
// would evict others from the cache.
func openPatch(ctx context.Context, b *bench) (sampler, error) {
	p, err := engine.Resolve(ctx, patched(), b.cache)
	if err != nil {
		return nil, err
	}
	plain, err := engine.Build(ctx, p, engine.Options{Cache: b.cache, Event: b.event})
	if err != nil {
		return nil, err
	}
	k, err := b.kernel(ctx) // knows where the source is
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(k.source, patchFile))
	if err != nil {
		return nil, fmt.Errorf("read source: %w", err)
	}
	sample := func(ctx context.Context) (float64, error) {
		series, err := onePatch(string(text), time.Now().UnixNano())
		if err != nil {
			return 0, err
		}
		file := filepath.Join(b.dir, "one-line.patch")
		if err := os.WriteFile(file, []byte(series), 0o644); err != nil {
			return 0, fmt.Errorf("write patch: %w", err)
		}
		p, err := engine.Resolve(ctx, patched(file), b.cache)
		if err != nil {
			return 0, err
		}
		m, took, err := b.wholeRun(ctx, p, true)
		if err != nil {
			return 0, err
		}
		if !leaks(m) {
			return 0, fmt.Errorf("run patch: the line is gone and %s is no LEAK: %v", oneProbe, m.Count())
		}
		return took, b.forget(ctx, p, plain)
	}
	// The first patch brings the working tree from whatever series it was
	// built with to this one.
	_, err = sample(ctx)
	return sample, err
}

// onePatch is a patch of one line in a file with that text.
func onePatch(text string, unique int64) (string, error) {
	lines := strings.Split(text, "\n")
	at := -1
	for i, line := range lines {
		if line == patchLine {
			at = i
		}
	}
	const context = 3
	if at < context || at+context >= len(lines) {
		return "", fmt.Errorf("make patch: %s has no line %q", patchFile, strings.TrimSpace(patchLine))
	}
	var hunk strings.Builder
	for i := at - context; i <= at+context; i++ {
		if i == at {
			fmt.Fprintf(&hunk, "-%s\n+\trc = security_locked_down(LOCKDOWN_DEV_MEM) == %d ? -EPERM : 0;\n", patchLine, unique%(1<<31))
			continue
		}
		hunk.WriteString(" " + lines[i] + "\n")
	}
	start, n := at-context+1, 2*context+1
	return fmt.Sprintf(`From: ldlab bench <bench@ldlab.invalid>
Subject: [PATCH] one line, %s

---
--- a/%s
+++ b/%s
@@ -%d,%d +%d,%d @@
%s`, strconv.FormatInt(unique, 10), patchFile, patchFile, start, n, start, n, hunk.String()), nil
}

// leaks reports whether the lab detected the patch.
func leaks(m *matrix.Matrix) bool {
	for _, t := range m.Tables {
		for _, row := range t.Rows {
			for i, c := range row.Cells {
				if t.Columns[i].Setting.String() == "integrity@boot" && row.Probe == oneProbe {
					return c.Verdict == matrix.Leak
				}
			}
		}
	}
	return false
}

// forget removes the patched kernel from the cache.
func (b *bench) forget(ctx context.Context, p *plan.Plan, keep []engine.Image) error {
	images, err := engine.Build(ctx, p, engine.Options{Cache: b.cache})
	if err != nil {
		return err
	}
	for i, image := range images {
		dir := filepath.Dir(image.Path)
		if image.Path == keep[i].Path || filepath.Dir(dir) != filepath.Join(b.cache, "kernels") {
			return fmt.Errorf("forget patched kernel: %s is not one", image.Path)
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("forget patched kernel: %w", err)
		}
	}
	return nil
}
