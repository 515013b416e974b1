package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

var update = flag.Bool("update", false, "write the golden files anew")

// build makes a matrix with every verdict in it: a kernel that leaks, one
// guest that was lost, one that the lab failed, and one that never ran.
func build(t *testing.T) *matrix.Matrix {
	t.Helper()
	setting := func(text string) lockdown.Setting {
		s, err := lockdown.ParseSetting(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	h := matrix.Header{
		Format: matrix.Format, Lab: "v0", Started: "2026-01-02T03:04:05Z",
		Probes: []string{"devmem/open", "devmem/zero", "kexec/load", "msr/write", "securityfs/lower"},
	}
	for _, arch := range []string{"x86_64", "arm64"} {
		for _, text := range []string{"none", "integrity@boot", "dev_mem@runtime", "kexec@runtime", "confidentiality@boot", "msr@runtime", "perf@runtime"} {
			h.Plan = append(h.Plan, matrix.Guest{Kernel: "bitmap", Arch: arch, Interface: lockdown.Bitmap, Setting: setting(text)})
		}
	}
	var results []matrix.Result
	for i, g := range h.Plan {
		run := matrix.MachineRun{Command: "qemu -append '" + g.Setting.String() + "'"}
		r := matrix.Result{Guest: g, Tries: 1, Host: matrix.Host{Arch: g.Arch, Accel: "tcg", Why: "TCG: no KVM here", QEMU: "QEMU emulator version 7.2", CPU: "max"},
			Origin: matrix.Origin{Base: "apt:linux-source-6.12", BaseVersion: "6.12.117", BaseSHA256: "0123456789abcdef", Series: []string{"bitmap"}, ImageSHA256: "fedcba9876543210"}}
		switch g.Setting.String() {
		case "confidentiality@boot":
			r.End, r.Tries = matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Detail: "Kernel panic - not syncing", Console: []string{"[ 1.0] <oops> | `x` \x1b[31m ]]>", "[ 1.1] end"}}, 2
		case "msr@runtime":
			r.End = matrix.End{Ending: matrix.FailedByLab, Detail: "check setting: asked for msr@runtime, reads open"}
		case "perf@runtime":
			continue
		default:
			run.States = []scenarios.State{{When: guestproto.WhenLocked, Level: g.Setting.Shown().String() + "\n"}}
			run.Observations = observe(g, i == 1)
		}
		r.Machines = []matrix.MachineRun{run}
		results = append(results, r)
	}
	m, err := matrix.Build(h, results)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func observe(g matrix.Guest, leaky bool) []scenarios.Observation {
	var os []scenarios.Observation
	for _, p := range []struct {
		id     string
		reason lockdown.Reason
	}{{"devmem/open", "dev_mem"}, {"devmem/zero", ""}, {"kexec/load", "kexec"}, {"msr/write", "msr"}} {
		o := scenarios.Observation{Probe: p.id, Comm: "ldp-1", Runs: 1, Duration: 1500000,
			Result: scenarios.Result{Outcome: scenarios.Allowed, Call: p.id + "() = ok"}}
		if g.Setting.Locks(p.reason) && !leaky {
			info, _ := lockdown.Info(p.reason)
			o.Outcome, o.Errno, o.Call = scenarios.Denied, "EPERM", p.id+"() = EPERM"
			o.Log = []string{"Lockdown: ldp-1: " + info.Label + " is restricted; see man kernel_lockdown.7"}
			if p.reason == "kexec" {
				o.Log = nil
			}
		}
		os = append(os, o)
	}
	if g.Arch == "arm64" {
		os = os[:3]
	}
	return append(os, scenarios.Observation{Probe: "securityfs/lower", Runs: 1, Result: scenarios.Result{Outcome: scenarios.Answered,
		Ops: []lockdown.Op{{Call: "write", File: lockdown.LevelFile, Data: "none", Err: "EPERM"}}}})
}

// TestGolden compares every format with its golden file, and writes twice: the
// same matrix gives the same bytes.
func TestGolden(t *testing.T) {
	for _, f := range Formats() {
		var first, second bytes.Buffer
		if err := f.Write(&first, build(t)); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if err := f.Write(&second, build(t)); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s: two writes of the same matrix differ", f.Name)
		}
		golden := filepath.Join("testdata", f.File)
		if *update {
			if err := os.WriteFile(golden, first.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), want) {
			t.Errorf("%s differs from %s (go test ./report -update writes it anew):\n%s", f.Name, golden, first.String())
		}
	}
}

func TestFormatsParse(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, build(t)); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		AsExpected bool
		Counts     map[string]int
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil || doc.AsExpected || doc.Counts["LEAK"] == 0 {
		t.Errorf("JSON: %v, %+v", err, doc)
	}
	b.Reset()
	if err := JUnit(&b, build(t)); err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
	}
	if err := xml.Unmarshal(b.Bytes(), &suites); err != nil || suites.Failures == 0 || suites.Errors == 0 {
		t.Errorf("JUnit: %v, %+v", err, suites)
	}
}
