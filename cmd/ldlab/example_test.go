package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
	"github.com/ldlab/ldlab/scenarios"
)

var update = flag.Bool("update", false, "rewrite the results files in testdata/example")

// maxExample bounds a results file in testdata, in bytes.
const maxExample = 8 << 10

// exampleHeader has one kernel and these probes. It has no digest of the rows,
// so an edit of a row does not change the file.
func exampleHeader(t *testing.T, probes []string, settings ...string) matrix.Header {
	h := matrix.Header{Format: matrix.Format, Lab: "example", Started: "2026-01-02T03:04:05Z", Probes: probes,
		Kernels: []matrix.Kernel{{Name: "bitmap", Arch: "x86_64", Origin: exampleOrigin, Config: matrix.Config{"CONFIG_X86_MSR": "n"}}}}
	for _, text := range settings {
		s, err := lockdown.ParseSetting(text)
		if err != nil {
			t.Fatal(err)
		}
		h.Plan = append(h.Plan, matrix.Guest{Kernel: "bitmap", Arch: "x86_64", Interface: lockdown.Upstream, Setting: s})
	}
	return h
}

var exampleOrigin = matrix.Origin{Base: "apt:linux-source-6.12", BaseVersion: "6.12.117", BaseSHA256: "0123456789abcdef", Series: []string{"bitmap"}, ImageSHA256: "fedcba9876543210"}

func exampleResult(g matrix.Guest) matrix.Result {
	return matrix.Result{Guest: g, Tries: 1, Origin: exampleOrigin, Host: matrix.Host{Arch: g.Arch, Accel: "tcg", Why: "TCG: no KVM here", QEMU: "QEMU emulator version 7.2", CPU: "max"},
		Machines: []matrix.MachineRun{{Command: "qemu -append " + g.Setting.String(), States: []scenarios.State{{When: guestproto.WhenLocked, Level: lockdown.NewModel(g.Interface, g.Setting).Answer(lockdown.Op{Call: "read", File: lockdown.LevelFile}).Data}}}}}
}

func see(r *matrix.Result, probe string, outcome scenarios.Outcome, why string, log ...string) {
	m := &r.Machines[0]
	m.Observations = append(m.Observations, scenarios.Observation{Probe: probe, Comm: "ldp-1", Runs: 1, Duration: 1500000, Log: log,
		Report: scenarios.Report{Outcome: outcome, Call: probe + "() <b> \x1b[31m", Why: why}})
}

// examples makes the files of testdata/example. Guests write hostile text, one
// ran twice, one was lost and one did not run; in absent.jsonl, every target is
// absent. In sound.jsonl all is as expected, in leak.jsonl kexec/load leaks, and in
// flaky.jsonl it leaks in the first of two runs.
func examples(t *testing.T) map[string][]byte {
	denial := func(label string) string {
		return "Lockdown: ldp-1: " + label + " is restricted; see man kernel_lockdown.7"
	}
	h := exampleHeader(t, []string{"devmem/open", "devmem/zero", "kexec/load", "msr/write"}, "none", "integrity@runtime", "integrity@boot", "kexec@boot")
	var list []matrix.Result
	for i, g := range h.Plan[:3] {
		r := exampleResult(g)
		see(&r, "msr/write", scenarios.Unavailable, "CONFIG_X86_MSR")
		switch i {
		case 0:
			see(&r, "devmem/open", scenarios.Allowed, "")
			see(&r, "devmem/zero", scenarios.Allowed, "")
			see(&r, "kexec/load", scenarios.Allowed, "")
		case 1:
			r.Tries = 2
			see(&r, "devmem/open", scenarios.Denied, "", denial("/dev/mem,kmem,port"))
			see(&r, "devmem/zero", scenarios.Allowed, "")
			see(&r, "kexec/load", scenarios.Allowed, "")
		case 2:
			r.Tries = 2
			see(&r, "kexec/load", scenarios.Denied, "")
			r.End = matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Detail: "Kernel panic - not syncing: \x1b]0;t\a", Console: []string{"<b> | \x9b2J"}}
		}
		list = append(list, r)
	}
	none := exampleHeader(t, []string{"msr/write", "msr/open-rdwr"}, "none", "integrity@boot")
	var absent []matrix.Result
	for _, g := range none.Plan {
		r := exampleResult(g)
		see(&r, "msr/write", scenarios.Unavailable, "CONFIG_X86_MSR")
		see(&r, "msr/open-rdwr", scenarios.Unavailable, "CONFIG_X86_MSR")
		absent = append(absent, r)
	}
	two := exampleHeader(t, []string{"devmem/open", "kexec/load"}, "none", "integrity@runtime")
	guest := func(i int, leaks bool) matrix.Result {
		r := exampleResult(two.Plan[i])
		for _, p := range []struct{ probe, label string }{{"devmem/open", "/dev/mem,kmem,port"}, {"kexec/load", "kexec of unsigned images"}} {
			if i == 0 || leaks && p.probe == "kexec/load" {
				see(&r, p.probe, scenarios.Allowed, "")
			} else {
				see(&r, p.probe, scenarios.Denied, "", denial(p.label))
			}
		}
		return r
	}
	second := guest(1, false)
	second.Again = true
	return map[string][]byte{"results.jsonl": encode(t, h, list), "absent.jsonl": encode(t, none, absent),
		"sound.jsonl": encode(t, two, []matrix.Result{guest(0, false), guest(1, false)}),
		"leak.jsonl":  encode(t, two, []matrix.Result{guest(0, false), guest(1, true)}),
		"flaky.jsonl": encode(t, two, []matrix.Result{guest(0, false), guest(1, true), second})}
}

func encode(t *testing.T, h matrix.Header, list []matrix.Result) []byte {
	all, err := results.EncodeHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		b, err := results.EncodeResult(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// TestExample compares testdata/example with what the lab writes. "go test
// ./cmd/ldlab -run TestExample -update" rewrites the files.
func TestExample(t *testing.T) {
	for name, got := range examples(t) {
		path := filepath.Join("testdata", "example", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) || len(want) > maxExample {
			t.Errorf("%s, %d bytes, differs from what the lab writes (go test ./cmd/ldlab -run TestExample -update)", path, len(want))
		}
	}
}

// TestExampleInEveryFormat checks properties of the reports: each is valid, has
// every cell, and has no character that a terminal would interpret.
func TestExampleInEveryFormat(t *testing.T) {
	set, err := results.Load(filepath.Join("testdata", "example"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := set.Matrix()
	if err != nil {
		t.Fatal(err)
	}
	cells := len(set.Header.Plan) * len(set.Header.Probes)
	for _, f := range report.Formats() {
		var b bytes.Buffer
		if err := f.Write(&b, report.Measurement{Matrix: m}); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		interpreted := func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }
		if i := strings.IndexFunc(text, interpreted); i >= 0 || !utf8.ValidString(text) || strings.Contains(text, ";;") {
			t.Errorf("%s: not clean at byte %d", f.Name, i)
		}
		switch f.Name {
		case "json":
			var doc struct{ Counts map[matrix.Verdict]int }
			if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
				t.Errorf("json: %v", err)
			}
			n := 0
			for _, c := range doc.Counts {
				n += c
			}
			if n != cells {
				t.Errorf("json: %d verdicts, want %d", n, cells)
			}
		case "junit":
			want := cells + 1 // one for the notes
			for _, table := range m.Tables {
				for _, c := range table.Columns {
					if !c.End.Well() {
						want++
					}
				}
			}
			if n := elements(t, &b, "testcase"); n != want {
				t.Errorf("junit: %d cases, want %d", n, want)
			}
		case "markdown", "kernels":
			if strings.Contains(text, "<b>") {
				t.Error(f.Name + ": a guest's markup is not escaped")
			}
		}
	}
}

// elements counts the elements with a name.
func elements(t *testing.T, r io.Reader, name string) (n int) {
	d := xml.NewDecoder(r)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := token.(xml.StartElement); ok && s.Name.Local == name {
			n++
		}
	}
}
