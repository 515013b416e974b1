package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// sample reads results with a bit of everything in them.
func sample(t *testing.T) *Results {
	t.Helper()
	r, err := read("testdata/results.json")
	if err != nil {
		t.Fatal(err)
	}
	r.Rows = judge(comparisons(), r)
	return r
}

func table(t *testing.T, r *Results) string {
	t.Helper()
	var b strings.Builder
	if err := writeTable(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what it was (-update writes it anew):\n%s", name, got)
	}
}

func TestTable(t *testing.T) { golden(t, "table.txt", []byte(table(t, sample(t)))) }

func TestPlot(t *testing.T) {
	image, err := svg(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "plot.svg", image)
	if again, _ := svg(sample(t)); !bytes.Equal(image, again) {
		t.Error("drawn again, the plot has other bytes")
	}
	if strings.Contains(string(image), "virtme-ng") {
		t.Error("the plot has a bar of what was not measured")
	}
}

func TestPlotOfNothing(t *testing.T) {
	if _, err := svg(&Results{Format: Format}); err == nil {
		t.Error("a plot was drawn of no measure")
	}
}

// TestDocs looks whether the plot that is published is that of the numbers
// which are published.
func TestDocs(t *testing.T) {
	r, err := read(filepath.Join("../docs", jsonFile))
	if err != nil {
		t.Fatal(err)
	}
	image, err := svg(r)
	if err != nil {
		t.Fatal(err)
	}
	published, err := os.ReadFile(filepath.Join("../docs", svgFile))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(image, published) {
		t.Errorf("docs/%s is not drawn from docs/%s: make bench ARGS=-draw", svgFile, jsonFile)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0.2345: "0.23", 1.005: "1.00", 12.34: "12.3", 123.4: "123", 0: "0.00", 8: "8.00", 27: "27", 0.004: "0.00"} {
		if got := number(v); got != want {
			t.Errorf("%v is shown as %s, want %s", v, got, want)
		}
	}
}
