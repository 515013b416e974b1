package sourcemutants

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/kernels"
)

// row is a row of the table of mutants, as readMutants leaves it.
func row(name, cell, files string, change ...func(*kernels.SourceMutant)) kernels.SourceMutant {
	scenario, _, _ := strings.Cut(cell, "/")
	x := kernels.SourceMutant{
		Patch: name + ".patch", Kernel: "bitmap", Arch: "x86_64", Scenarios: []string{scenario}, Settings: []string{"integrity@boot"},
		Cell: cell, Verdict: "LEAK", Files: strings.Fields(files),
	}
	for _, f := range change {
		f(&x)
	}
	return x
}

func show(list []batch) string {
	var all []string
	for _, b := range list {
		all = append(all, b.names())
	}
	slices.Sort(all)
	return strings.Join(all, " | ")
}

func TestBatches(t *testing.T) {
	also := func(probe string) func(*kernels.SourceMutant) {
		return func(x *kernels.SourceMutant) { x.Also = append(x.Also, probe) }
	}
	apart := func(x *kernels.SourceMutant) { x.Alone = true }
	wide := func(x *kernels.SourceMutant) { x.Kernel = "wide" }
	arm := func(x *kernels.SourceMutant) { x.Arch = "arm64" }
	kexec := row("kexec", "kexec/load", "kernel/kexec.c")
	msr := row("msr", "msr/write", "arch/x86/kernel/msr.c")
	for name, tc := range map[string]struct {
		all  []kernels.SourceMutant
		want string
	}{
		"nothing in common":           {[]kernels.SourceMutant{kexec, msr}, "kexec, msr"},
		"the same file":               {[]kernels.SourceMutant{kexec, row("other", "msr/write", "kernel/x.c kernel/kexec.c")}, "kexec | other"},
		"the same cell":               {[]kernels.SourceMutant{kexec, row("other", "kexec/load", "kernel/x.c")}, "kexec | other"},
		"the same scenario":           {[]kernels.SourceMutant{kexec, row("other", "kexec/replace", "kernel/x.c")}, "kexec | other"},
		"a scenario, another reason":  {[]kernels.SourceMutant{row("a", "uring/msr", "a.c"), row("b", "uring/debugfs-read", "b.c")}, "a, b"},
		"a reason, another scenario":  {[]kernels.SourceMutant{row("a", "uring/msr", "a.c"), msr}, "a | msr"},
		"a scenario without reasons":  {[]kernels.SourceMutant{row("a", "securityfs/a", "a.c"), row("b", "securityfs/b", "b.c"), row("c", "module/c", "c.c")}, "a, c | b"},
		"also, of the other's":        {[]kernels.SourceMutant{row("a", "uring/debugfs-read", "a.c", also("msr/write")), msr}, "a | msr"},
		"the other's also":            {[]kernels.SourceMutant{msr, row("z", "uring/debugfs-read", "a.c", also("msr/write"))}, "msr | z"},
		"also, beside the other's":    {[]kernels.SourceMutant{row("a", "uring/debugfs-read", "a.c", also("msr/wrmsr-ioctl")), msr}, "a | msr"},
		"the other's also, beside":    {[]kernels.SourceMutant{msr, row("z", "uring/debugfs-read", "a.c", also("msr/wrmsr-ioctl"))}, "msr | z"},
		"also, of both":               {[]kernels.SourceMutant{row("a", "uring/debugfs-read", "a.c", also("kexec/load")), row("b", "msr/write", "b.c", also("kexec/load"))}, "a | b"},
		"also, of nobody's":           {[]kernels.SourceMutant{row("a", "uring/debugfs-read", "a.c", also("kcore/read")), msr}, "a, msr"},
		"alone":                       {[]kernels.SourceMutant{kexec, row("a", "msr/write", "a.c", apart)}, "a | kexec"},
		"lockdown itself":             {[]kernels.SourceMutant{kexec, row("a", "msr/write", "security/lockdown/lockdown.c")}, "a | kexec"},
		"a header":                    {[]kernels.SourceMutant{kexec, row("a", "msr/write", "kernel/module/internal.h")}, "a | kexec"},
		"another kernel":              {[]kernels.SourceMutant{kexec, row("a", "msr/write", "a.c", wide)}, "a | kexec"},
		"another architecture":        {[]kernels.SourceMutant{kexec, row("a", "msr/write", "a.c", arm)}, "a | kexec"},
		"one patch, two cells":        {[]kernels.SourceMutant{kexec, row("kexec", "kexec/replace", "kernel/kexec.c")}, "kexec"},
		"one patch, another scenario": {[]kernels.SourceMutant{kexec, row("kexec", "msr/write", "kernel/kexec.c"), msr}, "kexec | msr"},
		"the smallest that takes it": {[]kernels.SourceMutant{
			row("a1", "kexec/load", "a.c"), row("a2", "kexec/load", "a.c"), row("b", "msr/write", "b.c"), row("c", "kcore/read", "c.c"),
		}, "a1, b | a2, c"},
		"none": {nil, ""},
	} {
		for seed := range uint64(20) {
			all := slices.Clone(tc.all)
			rand.New(rand.NewPCG(seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			if got := show(batches(all, false)); got != tc.want {
				t.Errorf("%s: %s, want %s", name, got, tc.want)
				break
			}
		}
		if n := len(batches(tc.all, true)); n != len(group(tc.all)) {
			t.Errorf("%s: with --alone %d kernels", name, n)
		}
	}
}

// TestBatchesOfTheTable: the table of mutants needs few kernels, each mutant is in one
// of them, no two patches of one are tied, and the order of the rows does not matter.
func TestBatchesOfTheTable(t *testing.T) {
	all, err := kernels.SourceMutants()
	if err != nil {
		t.Fatal(err)
	}
	text := func(list []batch) string {
		var b strings.Builder
		for _, x := range list {
			fmt.Fprintln(&b, x[0].Kernel, x[0].Arch, x.names())
		}
		return b.String()
	}
	list := batches(all, false)
	shared, rows := 0, 0
	for _, b := range list {
		if !b[0].shared() {
			shared++
		}
		for i, p := range b {
			rows += len(p.mutants)
			for _, o := range b[:i] {
				if p.tied(o) {
					t.Errorf("%s and %s share a kernel", p.Patch, o.Patch)
				}
			}
			if len(p.Files) == 0 {
				t.Errorf("%s changes no file", p.Patch)
			}
		}
	}
	if rows != len(all) || shared > 16 {
		t.Errorf("%d of %d mutants in %d kernels, of which %d may be shared:\n%s", rows, len(all), len(list), shared, text(list))
	}
	t.Logf("%d patches in %d kernels:\n%s", len(group(all)), len(list), text(list))
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if got := text(batches(all, false)); got != text(list) {
		t.Errorf("another order of the rows:\n%s", got)
	}
}
