package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/kernels"
)

// TestTail: a failed build shows the compiler's last lines, and not only its
// first error.
func TestWriteTail(t *testing.T) {
	var b strings.Builder
	failed := &kernels.MakeError{Kernel: "bitmap", Arch: "arm64", Cause: errors.New("a.c:1: error: no"), Log: "/log", Tail: []string{"  CC a.o", "a.c:1: error: no"}}
	writeTail(&b, fmt.Errorf("prepare: %w", failed))
	want := "the last lines of make, for kernel bitmap arm64:\n    CC a.o\n  a.c:1: error: no\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	writeTail(&b, errors.New("something else"))
	if b.Len() > 0 {
		t.Errorf("got %q", b.String())
	}
}
