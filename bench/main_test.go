package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDraw makes table and plot of results that are there, and measures nothing.
func TestDraw(t *testing.T) {
	out := t.TempDir()
	r := sample(t)
	if err := r.write(filepath.Join(out, jsonFile)); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	if err := execute(t.Context(), []string{"-draw", "-out", out}, &said, io.Discard); err != nil {
		t.Fatal(err)
	}
	if said.String() != table(t, r) {
		t.Errorf("table:\n%s", said.String())
	}
	if image, err := os.ReadFile(filepath.Join(out, svgFile)); err != nil || !strings.Contains(string(image), "<svg") {
		t.Errorf("plot: %v", err)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"word"}, {"-nonsense"}, {"-draw", "-out", t.TempDir()}} {
		if err := execute(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, jsonFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	// Before anything is measured: what would be lost after minutes.
	if err := execute(t.Context(), []string{"-only", "nothing", "-out", damaged}, io.Discard, io.Discard); err == nil {
		t.Error("damaged results are taken")
	}
}
