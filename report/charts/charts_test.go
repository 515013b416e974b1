package charts

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/matrix"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// nights has three nights: in the second the kernel did not run, and in the last it
// leaks and a step failed.
func nights() (list []history.Night) {
	for i, name := range []string{"2026-11-26", "2026-11-27", "2026-11-28"} {
		n := history.Night{Name: name, Begun: time.Date(2026, 11, 26+i, 20, 0, 0, 0, time.UTC), Lab: "v0", Table: "0123456789abcdef", Machine: "host"}
		n.Ended = n.Begun.Add(time.Duration(i+1) * time.Hour)
		if i != 1 {
			n.Kernels = []history.Kernel{{Run: "matrix", Kernel: "bitmap", Arch: "x86_64", Base: "6.12.1", Counts: map[matrix.Verdict]int{matrix.Enforced: 1200 - i, matrix.Leak: i, matrix.Known: 1, matrix.Flaky: i / 2}}}
		}
		list = append(list, n)
	}
	list[2].Failed = []string{"matrix"}
	return list
}

func table(kernel string) *matrix.Matrix {
	return &matrix.Matrix{Tables: []matrix.Table{{Kernel: kernel, Arch: "x86_64"}}}
}

// TestGolden compares the section with its golden file. -update rewrites it.
func TestGolden(t *testing.T) {
	const golden = "testdata/section.html"
	got := Section(nights(), table("bitmap"))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) || len(want) > 8<<10 {
		t.Errorf("%d bytes, differs from %s (go test ./report/charts -update):\n%s", len(got), golden, got)
	}
}

// TestSection: the section is well-formed whatever the texts are, each chart has a title
// and a description, and numbers that do not exist are nowhere.
func TestSection(t *testing.T) {
	evil := nights()
	evil[0].Name, evil[2].Machine, evil[2].Failed = "</svg><script>", "\x1b\"'&", []string{"]]>"}
	evil[2].Kernels[0].Kernel, evil[2].Kernels[0].Run = "<b>", "<i>&"
	many := []history.Night{}
	for range 40 {
		many = append(many, nights()...)
	}
	none := nights()
	none[0].Kernels, none[2].Kernels = nil, nil
	back := nights()
	back[0].Ended = back[0].Begun.Add(-time.Hour)
	zero := nights()
	zero[0].Kernels[0].Counts, zero[2].Kernels[0].Counts = nil, nil
	for name, c := range map[string]struct {
		nights []history.Night
		kernel string
		charts int
	}{
		"plain": {nights(), "bitmap", 3}, "evil": {evil, "<b>", 3}, "another kernel": {nights(), "stock", 1}, "many": {many, "bitmap", 3}, "one": {nights()[:1], "bitmap", 3}, "none": {none, "bitmap", 1}, "a clock that goes backwards": {back, "bitmap", 3}, "no cells": {zero, "bitmap", 3},
	} {
		got := Section(c.nights, table(c.kernel))
		d := xml.NewDecoder(strings.NewReader(got))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, got)
			}
		}
		if n := strings.Count(got, "<svg role=\"img\""); n != c.charts || strings.Count(got, "<desc id=") != n {
			t.Errorf("%s: %d charts, want %d", name, n, c.charts)
		}
		for _, bad := range []string{"NaN", "Inf", "<script", "style=", "\x1b", `height="-`} {
			if strings.Contains(got, bad) {
				t.Errorf("%s: the section has %q", name, bad)
			}
		}
		if n := strings.Count(got, "<circle"); n > maxShown {
			t.Errorf("%s: %d nights are drawn", name, n)
		}
	}
	if got := Section(nil, table("bitmap")); got != "" {
		t.Errorf("no nights: %q", got)
	}
}
