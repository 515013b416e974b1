package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/ldlab/ldlab/initramfs"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
)

// rounds is how often a boot is measured; the median counts.
const rounds = 7

// BenchmarkBoot measures, side by side, a guest's boot to the answer of its
// first probe and the floor: the same kernel with an init that powers off.
func BenchmarkBoot(b *testing.B) {
	for _, a := range arch.All() {
		b.Run(a.Name, func(b *testing.B) {
			r := bench(b, Selection{Arches: []string{a.Name}, Settings: []string{"none"}, Probes: []string{"devmem/open"}})
			r.Boot = true
			g := r.plan.Guests[0]
			bootable := r.booted[g.Kernel+"/"+g.Arch]
			floor := bootable.machine(g.Setting, nil)
			floor.Initrd = floorInitrd(b, a)
			for b.Loop() {
				var first, off []time.Duration
				for range rounds {
					first = append(first, firstProbe(b, r, g))
					off = append(off, toPowerOff(b, floor))
				}
				b.ReportMetric(median(first).Seconds(), "s/first-probe")
				b.ReportMetric(median(off).Seconds(), "s/floor")
				b.ReportMetric(median(first).Seconds()/median(off).Seconds(), "of-floor")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// BenchmarkFork measures, side by side, a fork and a boot to the answer of
// their first probe, in a guest that is to run every probe.
func BenchmarkFork(b *testing.B) {
	for _, a := range arch.All() {
		b.Run(a.Name, func(b *testing.B) {
			r := bench(b, Selection{Arches: []string{a.Name}, Settings: []string{"none"}})
			g := r.plan.Guests[0]
			firstProbe(b, r, g) // makes the template
			for b.Loop() {
				var forked, booted []time.Duration
				for range rounds {
					r.Boot = false
					forked = append(forked, firstProbe(b, r, g))
					r.Boot = true
					booted = append(booted, firstProbe(b, r, g))
				}
				b.ReportMetric(median(forked).Seconds(), "s/fork")
				b.ReportMetric(median(booted).Seconds(), "s/boot")
				b.ReportMetric(median(forked).Seconds()/median(booted).Seconds(), "of-boot")
				b.ReportMetric(0, "ns/op")
			}
			r.closeTemplates()
		})
	}
}

// BenchmarkSquare measures the isolation square of one architecture, every
// probe under every single reason, by forks and by boots.
func BenchmarkSquare(b *testing.B) {
	var settings []string
	for _, r := range reached("x86_64", mustPlan(b, Selection{}).Probes) {
		settings = append(settings, string(r)+"@runtime")
	}
	p := mustPlan(b, Selection{Arches: []string{"x86_64"}, Settings: settings})
	for b.Loop() {
		var took [2]time.Duration
		for i, boot := range []bool{false, true} {
			start := time.Now()
			if m, err := Run(b.Context(), p, Options{Out: b.TempDir(), Boot: boot}); err != nil || !m.AsExpected() {
				b.Fatal(err)
			}
			took[i] = time.Since(start)
		}
		b.ReportMetric(took[0].Seconds(), "s/forks")
		b.ReportMetric(took[1].Seconds(), "s/boots")
		b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "of-boots")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkInitramfs measures a warm build, of the guest's kernel-independent
// parts and its packing.
func BenchmarkInitramfs(b *testing.B) {
	r := bench(b, Selection{Arches: []string{"x86_64"}, Settings: []string{"none"}})
	for b.Loop() {
		if _, err := initramfs.Build(b.Context(), initramfs.Config{Arch: arch.Get("x86_64"), Cache: r.Cache}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDefaultRun is the whole of "make run" with the kernels built.
func BenchmarkDefaultRun(b *testing.B) {
	p := mustPlan(b, Selection{})
	for b.Loop() {
		m, err := Run(b.Context(), p, Options{Out: b.TempDir()})
		if err != nil || !m.AsExpected() {
			b.Fatalf("%v %v", err, m.Count())
		}
	}
	b.ReportMetric(float64(len(p.Guests)), "guests")
}

// bench prepares a run without running it.
func bench(b *testing.B, sel Selection) *run {
	b.Helper()
	r := newRun(mustPlan(b, sel), Options{Out: b.TempDir()})
	if _, err := r.prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	return r
}

// firstProbe runs a guest and gives the time until its first answer.
func firstProbe(b *testing.B, r *run, g matrix.Guest) time.Duration {
	b.Helper()
	res := r.boot(b.Context(), g)
	if res.Lost != nil || res.Error != "" || res.Forked == r.Boot {
		b.Fatalf("%+v %s, forked %v", res.Lost, res.Error, res.Forked)
	}
	return phase(res, "first probe")
}

func phase(res matrix.Result, name string) time.Duration {
	i := slices.IndexFunc(res.Timing, func(p matrix.Phase) bool { return p.Name == name })
	return time.Duration(res.Timing[i].MS) * time.Millisecond
}

// toPowerOff boots and waits for the machine to end.
func toPowerOff(b *testing.B, config vm.Config) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	start := time.Now()
	m, err := vm.Start(ctx, config)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close(b.Context())
	if end := m.Wait(ctx); end.Cause != vm.PoweredOff {
		b.Fatalf("floor: %s %q", end, end.Console)
	}
	return time.Since(start)
}

// floorInitrd packs the init that powers off.
func floorInitrd(b *testing.B, a *arch.Arch) string {
	b.Helper()
	dir := b.TempDir()
	bin, image := filepath.Join(dir, "init"), filepath.Join(dir, "initrd")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./testdata/floor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+a.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(bin)
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(image)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := cpio.Newc.Writer(f)
	if err := cpio.WriteRecords(w, []cpio.Record{cpio.Directory("dev", 0o755), cpio.CharDev("dev/console", 0o600, 5, 1), cpio.StaticFile("init", string(data), 0o755)}); err != nil {
		b.Fatal(err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		b.Fatal(err)
	}
	return image
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
