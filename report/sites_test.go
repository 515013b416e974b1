package report

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

// coverages has a site of every reach, one that the source cannot be told of,
// and everything that is wrong with a coverage.
func coverages() []matrix.Coverage {
	site := func(name, file, function string, line int) lockdown.Site {
		return lockdown.Site{Name: name, File: file, Function: function, Line: line}
	}
	return []matrix.Coverage{
		{Kernel: "bitmap", Arch: "x86_64",
			Sites: []matrix.Covered{
				{Site: site("open_port+0x2a/0x40", "drivers/char/mem.c", "open_port", 612), Reach: matrix.SiteDenied, Checks: 9, Denials: 4,
					Probes: []string{"devmem/mmap", "devmem/open", "devmem/open-rdwr", "devmem/port-open", "devmem/read"}},
				{Site: site("tracer_alloc_buffers+0x9/0x99", "kernel/trace/trace.c", "tracer_alloc_buffers", 10576), Reach: matrix.AllowedOnly, Checks: 1, Boot: true},
				{Site: site("f+0x1/0x2 [m]", "", "", 0), Reach: matrix.NotReached, Why: "no such device"},
				{Site: site("g+0x1/0x2", "a.c", "g", 1), Reach: matrix.NotReached},
			},
			Absent:             []matrix.Absent{{SourceSite: lockdown.SourceSite{File: "arch/powerpc/xmon/xmon.c", Function: "xmon_is_locked_down", Line: 309}, Why: "powerpc only"}, {SourceSite: lockdown.SourceSite{File: "b.c", Function: "h", Line: 2}}},
			WrongSite:          []string{"msr/write"},
			OutdatedExclusions: []string{"c.c:stale"},
			UnknownSites:       []string{"who+0x1/0x2\x1b"}},
		{Kernel: "stock", Arch: "arm64"},
	}
}

func mutations() []matrix.Mutation {
	return []matrix.Mutation{{Kernel: "bitmap", Arch: "x86_64", Interface: lockdown.Bitmap, Origin: matrix.Origin{Base: "apt:linux-source-6.12", BaseVersion: "6.12.117", BaseSHA256: "0123456789abcdef", ImageSHA256: "fedcba9876543210"},
		Mutants: []matrix.Mutant{
			{Site: "open_port+0x2a/0x40", Call: "drivers/char/mem.c:open_port", Answer: matrix.Allow, Status: matrix.Killed, By: []string{"devmem/open", "devmem/read"}, DetectedBy: matrix.DetectedByEffect, Why: "leak"},
			{Site: "open_port+0x2a/0x40", Call: "drivers/char/mem.c:open_port", Answer: matrix.Deny, Status: matrix.Survived, Why: "devmem/open: open"},
			{Site: "f+0x1/0x2 [m]", Answer: matrix.Allow, Status: matrix.NotCovered, Why: "no probe is answered otherwise there"},
			{Site: "g+0x1/0x2", Call: "a.c:g", Answer: matrix.Deny, Status: matrix.MutantError, Why: "panic: a | b"},
		},
		Alarms: []string{"msr/write, integrity@boot: LEAK"}}}
}

func TestSitesGolden(t *testing.T) {
	var coverage, mutation bytes.Buffer
	if err := Coverage(&coverage, coverages()); err != nil {
		t.Fatal(err)
	}
	if err := Mutation(&mutation, mutations()); err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string][]byte{"coverage.txt": coverage.Bytes(), "mutation.md": mutation.Bytes()} {
		golden := filepath.Join("testdata", file)
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs (go test ./report -update writes it anew):\n%s", golden, got)
		}
	}
}
