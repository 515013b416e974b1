package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/review"
	"github.com/ldlab/ldlab/kernels/patchset"
)

// reviewFile is what the patches of a review change.
const reviewFile = "security/lockdown/lockdown.c"

// reviewed times a review of three patches that are new each time, so that no cache has
// their results. The base is built, and its results are taken again. Nothing may have got
// worse, because a fast wrong review must not count.
func reviewed(arch string, each bool) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		sel := plan.Selection{Kernels: []string{"stock"}}
		o := review.Options{Base: "6.12", Each: each}
		if arch != "" {
			sel.Arches, o.Arches = []string{arch}, []string{arch}
		}
		p, err := engine.Resolve(ctx, sel, b.cache)
		if err != nil {
			return nil, err
		}
		if _, err := engine.Build(ctx, p, engine.Options{Cache: b.cache, Event: b.event}); err != nil {
			return nil, err
		}
		k, err := b.kernel(ctx) // knows where the source is
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(filepath.Join(k.source, reviewFile))
		if err != nil {
			return nil, fmt.Errorf("read source: %w", err)
		}
		return func(ctx context.Context) (float64, error) {
			dir, err := os.MkdirTemp(b.dir, "review-")
			if err != nil {
				return 0, fmt.Errorf("make directory: %w", err)
			}
			defer os.RemoveAll(dir)
			o.Series = filepath.Join(dir, "series.mbox")
			if err := os.WriteFile(o.Series, []byte(threePatches(string(text), time.Now().UnixNano())), 0o644); err != nil {
				return 0, fmt.Errorf("write series: %w", err)
			}
			o.Engine = engine.Options{Out: filepath.Join(dir, "out"), Cache: b.cache}
			start := time.Now()
			r, err := review.Review(ctx, o)
			if err != nil {
				return 0, err
			}
			if r.Grave() {
				return 0, fmt.Errorf("review: something got worse: %+v", r.Remarks())
			}
			return time.Since(start).Seconds(), nil
		}, nil
	}
}

// threePatches is a mailbox of patches that each add a constant to the end of a file with
// that text.
func threePatches(text string, unique int64) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	var box strings.Builder
	for i := range 3 {
		added := fmt.Sprintf("static const int __used ldlab_bench_%d = %d;", i, unique%(1<<31))
		const context = 3
		start := len(lines) - context + 1
		fmt.Fprintf(&box, `From ldlab Thu Jan  1 00:00:00 1970
From: ldlab bench <bench@ldlab.invalid>
Date: Thu, 1 Jan 1970 00:00:00 +0000
Message-ID: <%d-%d@ldlab.invalid>
Subject: [PATCH %d/3] lockdown: constant %d

---
--- a/%s
+++ b/%s
@@ -%d,%d +%d,%d @@
 %s
+%s

`, unique, i, i+1, i, reviewFile, reviewFile, start, context, start, context+1, strings.Join(lines[len(lines)-context:], "\n "), added)
		lines = append(lines, added)
	}
	return box.String()
}

// mails times the reading of a mailbox: a series of three patches among answers.
func mails(_ context.Context, b *bench) (sampler, error) {
	var box strings.Builder
	box.WriteString(threePatches("a\nb\nc\n", 1))
	for i := range 997 {
		fmt.Fprintf(&box, `From ldlab Thu Jan  1 00:00:00 1970
From: ldlab bench <bench@ldlab.invalid>
Message-ID: <answer-%d@ldlab.invalid>
In-Reply-To: <1-0@ldlab.invalid>
Subject: Re: [PATCH 1/3] lockdown: constant 0

> +++ b/%s
> +static const int __used ldlab_bench_0 = 1;
%s
`, i, reviewFile, strings.Repeat("A line of an answer that somebody wrote.\n", 50))
	}
	text := box.String()
	return func(context.Context) (float64, error) {
		start := time.Now()
		s, err := patchset.Read("bench.mbox", strings.NewReader(text))
		if err != nil {
			return 0, err
		}
		if len(s.Patches) != 3 {
			return 0, fmt.Errorf("read mails: %d patches", len(s.Patches))
		}
		return time.Since(start).Seconds(), nil
	}, nil
}

// distribution times three settings of a kernel as Debian ships it, judged by its log.
func distribution(ctx context.Context, b *bench) (sampler, error) {
	p, err := engine.Resolve(ctx, plan.Selection{
		Kernels: []string{"debian:6.12-cloud"}, Arches: []string{"x86_64"}, Settings: []string{"none", "integrity@boot", "confidentiality@runtime"},
	}, b.cache)
	if err != nil {
		return nil, err
	}
	return b.asExpected(ctx, p, false)
}
