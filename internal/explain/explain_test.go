package explain

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// TestExplain has what users reported, and what the first line of the answer must
// have.
func TestExplain(t *testing.T) {
	for _, tc := range []struct {
		words string
		want  []string // of the summary
		lacks string
	}{
		{"EPERM on /sys/kernel/debug/ec/ec0/io", []string{"debugfs, integrity", "0600 is not 0444"}, ""},
		{"/sys/kernel/debug/some/file 0644", []string{"debugfs, integrity", "0644 is not 0444"}, ""},
		{"/sys/kernel/debug/some/file", []string{"no bit outside 0444"}, ""},
		{"/sys/kernel/debug/kprobes/blacklist", []string{"debugfs, integrity", "0400 has no bit outside 0444"}, "tracefs"},
		{"open /sys/kernel/debug/kprobes/blacklist O_RDWR", []string{"opened for writing is refused"}, ""},
		{"/sys/kernel/debug/sched/features", []string{"debugfs, integrity", "0644 is not 0444"}, ""},
		{"/sys/kernel/debug/tracing/trace", []string{"tracefs, confidentiality"}, "debugfs"},
		{"ENOENT /sys/kernel/tracing/trace", []string{"tracefs, confidentiality", "does not exist (ENOENT)"}, "not lockdown's answer"},
		{"/sys/kernel/tracing/kprobe_events", []string{"tracefs, confidentiality", "kprobes, confidentiality"}, ""},
		{"iopl(3) failed: Operation not permitted", []string{"EPERM on iopl: ioport, integrity"}, ""},
		{"iopl", []string{"iopl: ioport, integrity"}, ""},
		{"kexec_load", []string{"kexec, integrity", "kexec_file_load"}, ""},
		{"setpci: /sys/bus/pci/devices/0000:00:03.0/config: Operation not permitted", []string{"pci_access, integrity", "writes are refused"}, ""},
		{"EPERM /sys/devices/pci0000:00/0000:00:03.0/resource0", []string{"pci_access, integrity"}, ""},
		{"EIO /dev/cpu/0/msr", []string{"msr, integrity", "EIO is not lockdown's answer"}, ""},
		{"EACCES /dev/mem", []string{"dev_mem, integrity", "EACCES is not lockdown's answer"}, ""},
		{"modprobe: ERROR: could not insert 'x': Key was rejected by service", []string{"EKEYREJECTED", "not lockdown's"}, ""},
		{"finit_module EPERM", []string{"module_signature, integrity", "module_parameters, integrity"}, ""},
		{"kcore", []string{"kcore: kcore, confidentiality"}, ""},
		{"ENXIO on /dev/tty0", []string{"ioport, integrity"}, "not lockdown's answer"},
		{"EINVAL /sys/kernel/security/lockdown", []string{"no reason of lockdown", "EINVAL that it is no level"}, ""},
		{"Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7", []string{"task insmod: module_signature, integrity"}, ""},
		{"[  12.3] Lockdown: a b: c: /dev/mem,kmem,port is restricted", []string{"dev_mem, integrity"}, ""},
		{"Lockdown: x: walking on the grass is restricted", []string{"does not know", "walking on the grass"}, ""},
		{"TIOCSSERIAL", []string{"TIOCSSERIAL: tiocsserial, integrity"}, ""},
		{"ioctl(3, TIOCSSERIAL, 0x7ffd) = -1 EPERM (Operation not permitted)", []string{"EPERM on TIOCSSERIAL: tiocsserial, integrity"}, ""},
		{"LOCKDOWN_DEV_MEM", []string{"dev_mem, integrity"}, ""},
		{"kdb", []string{"dbg_write_kernel, integrity", "dbg_read_kernel, confidentiality"}, ""},
		{"kgdb: Operation not permitted", []string{"dbg_write_kernel, integrity"}, ""},
		{"integrity", []string{"a level of lockdown"}, ""},
		{"lockdown=confidentiality", []string{"the highest level"}, ""},
		{"LOCKDOWN_CONFIDENTIALITY_MAX", []string{"the highest level"}, ""},
		{"wrmsr: CPU 0 cannot set MSR 0x000001a0", []string{"msr, integrity"}, ""},
		{"bpf_probe_read_kernel", []string{"bpf_read_kernel, confidentiality", "EINVAL"}, ""},
		{"bpf_probe_write_user", []string{"bpf_write_user, integrity"}, ""},
		{"modprobe", []string{"module_signature, integrity"}, ""},
		{"insmod: ERROR: could not insert module x.ko: Operation not permitted", []string{"EPERM on insmod", "module_signature, integrity"}, ""},
		{"chmod /sys/kernel/debug/sched/debug", []string{"debugfs, integrity", "change of the mode or the owner"}, "opens for reading"},
		{`fchmodat(AT_FDCWD, "/sys/kernel/debug/sched/debug", 0644) = -1 EPERM`, []string{"change of the mode or the owner"}, "opens for reading"},
		{"[pid   412] iopl(3)                     = -1 EPERM (Operation not permitted)", []string{"EPERM on iopl: ioport, integrity"}, ""},
		{`openat(AT_FDCWD, "/sys/kernel/tracing/trace_pipe", O_RDONLY|O_CLOEXEC) = -1 EPERM (Operation not permitted)`, []string{"tracefs, confidentiality"}, "debugfs"},
		{`12:00:01.123456 openat(AT_FDCWD, "/sys/kernel/debug/tracing/kprobe_events", O_WRONLY) = -1 ENOENT (No such file or directory)`, []string{"tracefs, confidentiality"}, "not lockdown's answer"},
		{"[Wed Nov 25 12:00:00 2026] Lockdown: flashrom: raw io port access is restricted; see man kernel_lockdown.7", []string{"task flashrom: ioport, integrity"}, ""},
		{"Nov 25 12:00:00 host kernel: Lockdown: systemd-logind: hibernation is restricted; see man kernel_lockdown.7", []string{"task systemd-logind: hibernation, integrity"}, ""},
		{"x86/msr: write failed: -EPERM", []string{"EPERM", "msr"}, ""},
		{"sysctl kernel.kexec_load_disabled", []string{"no reason of lockdown", "sysctl refuses kexec"}, ""},
		{"/proc/sys/kernel/panic: Operation not permitted", []string{"EPERM on /proc/sys/kernel/panic: no reason of lockdown"}, ""},
		{"/proc/sys/kernel/perf_event_paranoid", []string{"no reason of lockdown", "EACCES"}, ""},
		{"flashrom: ERROR: Could not get I/O privileges (Operation not permitted)", []string{"EPERM on flashrom: ioport, integrity"}, "/O"},
		{"cannot use helper bpf_probe_write_user#36", []string{"bpf_write_user, integrity"}, ""},
		{"raw MSR access", []string{"msr, integrity"}, ""},
		{"kernel.sysrq", []string{"dbg_write_kernel, integrity"}, ""},
		{"kgdboc=ttyS0", []string{"dbg_write_kernel, integrity"}, ""},
		{"module.sig_enforce=1", []string{"module_signature, integrity"}, ""},
		{"Kernel is locked down from command line; see man kernel_lockdown.7", []string{"switched on"}, ""},
		{"lockdown_is_locked_down: 25 callbacks suppressed", []string{"suppressed lines"}, ""},
		{"Loading of unsigned module is rejected", []string{"not lockdown's"}, ""},
	} {
		a, err := Explain(strings.Fields(tc.words))
		if err != nil {
			t.Errorf("%s: %v", tc.words, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(a.Summary, want) {
				t.Errorf("%s: %q, want %q", tc.words, a.Summary, want)
			}
		}
		if tc.lacks != "" && strings.Contains(a.Summary, tc.lacks) {
			t.Errorf("%s: %q has %q", tc.words, a.Summary, tc.lacks)
		}
	}
}

// Each enumerator of the kernel, and each word of the table, leads to reasons that there
// are, or to a note.
func TestAliases(t *testing.T) {
	for _, info := range lockdown.Reasons() {
		if a, err := Explain([]string{"LOCKDOWN_" + strings.ToUpper(string(info.Reason))}); err != nil || len(a.Reasons) != 1 || a.Reasons[0].Reason != info.Reason {
			t.Errorf("the enumerator of %s: %+v, %v", info.Reason, a, err)
		}
	}
	for _, x := range aliases {
		for _, word := range strings.Fields(x.words) {
			a, err := Explain([]string{word})
			if err != nil || len(a.Reasons) == 0 && x.note == "" {
				t.Errorf("%s: %+v, %v", word, a, err)
			}
		}
		for _, r := range x.reasons {
			if _, ok := lockdown.Info(r); !ok {
				t.Errorf("%s: there is no reason %s", x.words, r)
			}
		}
	}
}

// TestShellTexts: the text of an errno is found although another text is a part of it,
// and although it looks like a path.
func TestShellTexts(t *testing.T) {
	for i, x := range shellTexts {
		if i > 0 && len(x.text) > len(shellTexts[i-1].text) {
			t.Errorf("%q comes after %q, which is shorter", x.text, shellTexts[i-1].text)
		}
		if in := parse("open: " + strings.ToUpper(x.text)); !slices.Equal(in.errnos, []string{x.errno}) || len(in.paths) > 0 {
			t.Errorf("%q is %q on %q, want %s", x.text, in.errnos, in.paths, x.errno)
		}
	}
	if in := parse("KDADDIO: No such device or address"); !slices.Equal(in.errnos, []string{"ENXIO"}) {
		t.Errorf("no such device or address: %q", in.errnos)
	}
}

func TestUnknown(t *testing.T) {
	for _, words := range []string{"", "banana", "/etc/passwd", "please help me", strings.Repeat("x", maxWords+1)} {
		if a, err := Explain([]string{words}); !errors.As(err, new(*UnknownError)) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 400 {
			t.Errorf("%.40q: %+v, %v", words, a, err)
		}
	}
}

var quoted = regexp.MustCompile(`"(/[^"*]*)"`)

// TestEveryRow: whatever file or system call a checked probe names, explaining it
// leads to that probe, its reason and its call site.
func TestEveryRow(t *testing.T) {
	n := 0
	for _, row := range scenarios.Rows() {
		if row.Expect != scenarios.Checked {
			continue
		}
		var words []string
		if m := quoted.FindStringSubmatch(row.Call); m != nil && !strings.Contains(m[1], "...") && !strings.HasPrefix(row.Call, "boot") {
			words = []string{m[1]}
		} else if name, _, ok := strings.Cut(row.Call, "("); ok && len(callWays(name)) > 0 {
			words = []string{name}
		} else {
			continue
		}
		n++
		a, err := Explain(words)
		if err != nil {
			t.Errorf("%s: %v", row.ID, err)
			continue
		}
		i := slices.IndexFunc(a.Reasons, func(r Reason) bool { return r.Reason == row.Reason })
		if i < 0 && row.Machine == scenarios.Debugger || strings.HasPrefix(row.ID, "lifted/") {
			continue // the file is a way to a debugger or a lift, and its reason that of what follows
		}
		if i < 0 {
			t.Errorf("%s: %q does not lead to %s: %s", row.ID, words, row.Reason, a.Summary)
			continue
		}
		if r := a.Reasons[i]; !slices.Contains(r.Probes, row.ID) || !slices.ContainsFunc(r.Sites, func(s Site) bool { return s.Site == row.Site }) {
			t.Errorf("%s: %q leads to the probes %q and the sites %+v", row.ID, words, r.Probes, r.Sites)
		}
	}
	if n < 100 {
		t.Errorf("only %d probes name a file or a call", n)
	}
}

// TestEveryReason: the log line of each reason is explained, with its settings.
func TestEveryReason(t *testing.T) {
	for _, info := range lockdown.Reasons() {
		a, err := Explain([]string{fmt.Sprintf("Lockdown: x: %s is restricted; see man kernel_lockdown.7", info.Label)})
		if err != nil || len(a.Reasons) != 1 || a.Reasons[0].Reason != info.Reason || a.Reasons[0].Level != info.Level {
			t.Errorf("%s: %+v, %v", info.Reason, a, err)
		}
		if got := a.Reasons[0].Settings; len(got) != 4-int(info.Level) {
			t.Errorf("%s is locked by %q", info.Reason, got)
		}
	}
}

// TestNarrow: words about one way have the probes of that way, and all gaps.
func TestNarrow(t *testing.T) {
	a, err := Explain([]string{"iopl"})
	if err != nil {
		t.Fatal(err)
	}
	r := a.Reasons[0]
	if strings.Join(r.Probes, " ") != "compat/iopl ioport/iopl" || !strings.Contains(strings.Join(r.Open, "\n"), "kept/ioperm, a known gap") {
		t.Errorf("%+v", r)
	}
	if !slices.ContainsFunc(r.Claims, func(c string) bool { return strings.HasPrefix(c, "flashrom-iopl, reproduced: ") }) {
		t.Errorf("claims: %q", r.Claims)
	}
	if s := r.Sites[0]; len(s.Entry) == 0 || len(s.Needs) == 0 {
		t.Errorf("the site has no entry point or no configuration: %+v", s)
	}
}

func TestMeasured(t *testing.T) {
	set, _ := lockdown.ParseSetting("integrity@boot")
	cell := func(v matrix.Verdict) matrix.Cell {
		return matrix.Cell{Judgment: matrix.Judgment{Verdict: v, Why: "iopl(3) = EPERM"}}
	}
	m := &matrix.Matrix{Tables: []matrix.Table{{Kernel: "stock", Arch: "x86_64", Columns: []matrix.Column{{}, {Setting: set}},
		Rows: []matrix.TableRow{{Probe: "ioport/iopl", Cells: []matrix.Cell{cell(matrix.Unproven), cell(matrix.Enforced)}}, {Probe: "msr/write", Cells: []matrix.Cell{cell(matrix.Open), cell(matrix.Enforced)}}}}}}
	a, _ := Explain([]string{"iopl"})
	if got := a.Measured(m); len(got) != 1 || got[0] != "stock x86_64, integrity@boot: ioport/iopl is enforced: iopl(3) = EPERM" {
		t.Errorf("%q", got)
	}
}

// FuzzExplain: every input is an answer with one line of summary, or unknown.
func FuzzExplain(f *testing.F) {
	for _, s := range []string{"EPERM /dev/mem", "Lockdown: x: hibernation is restricted", "/sys/kernel/debug/[", "iopl 0600 O_RDWR", "//", "EPERM EIO kcore msr"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Explain([]string{text})
		if err != nil && !errors.As(err, new(*UnknownError)) || err == nil && a.Summary == "" {
			t.Errorf("%q: %+v, %v", text, a, err)
		}
	})
}
