package build

import (
	"slices"
	"testing"
)

// The list of modules is as v6.1 and v6.12 write it.
func TestParseOrder(t *testing.T) {
	want := []string{"arch/x86/mm/testmmiotrace.ko", "lib/ldlab/ldlab_nop.ko"}
	for _, text := range []string{
		"arch/x86/mm/testmmiotrace.ko\nlib/ldlab/ldlab_nop.ko\n",
		"arch/x86/mm/testmmiotrace.o\nlib/ldlab/ldlab_nop.o\n",
	} {
		if got := parseOrder(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := parseOrder(""); got != nil {
		t.Errorf("no modules: %q", got)
	}
}
