package about

import (
	"strings"
	"testing"
)

// TestVersionOfCommit: what the linker sets counts if the toolchain stamped nothing.
func TestVersionOfCommit(t *testing.T) {
	if b := Built(); b.Commit != "" {
		t.Skip("the toolchain stamped the commit " + b.Commit)
	}
	defer func() { commit, commitTime = "", "" }()
	commit, commitTime = "0123456789abcdef-dirty", "2026-01-02T03:04:05Z"
	if got := Version(); got != "(devel) 0123456789ab+dirty" {
		t.Error(got)
	}
	if got := Text(); !strings.Contains(got, "\ncommit 0123456789abcdef, modified\n") {
		t.Error(got)
	}
	if got := Built().Time; got != commitTime {
		t.Error(got)
	}
	commit = "0123456789abcdef"
	if got := Text(); !strings.Contains(got, "\ncommit 0123456789abcdef\n") {
		t.Error(got)
	}
}

// TestTableDigests: each table has its own.
func TestTableDigests(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range tables() {
		if len(d.digest) != 64 || seen[d.digest] {
			t.Errorf("%+v", d)
		}
		seen[d.digest] = true
	}
}
