package hostcpu

import (
	"runtime"
	"strings"
	"testing"
)

func TestModel(t *testing.T) {
	if got := modelIn(strings.NewReader("processor\t: 0\nmodel name\t: Fast CPU @ 2\nmodel name\t: Other\n")); got != "Fast CPU @ 2" {
		t.Errorf("processor is %q", got)
	}
	if got := modelIn(strings.NewReader("CPU part\t: 0xd07\n")); got != runtime.GOARCH {
		t.Errorf("a processor without a name is %q", got)
	}
	if got := Machine(); !strings.Contains(got, ": "+Model()+", ") {
		t.Errorf("machine is %q", got)
	}
}
