package lockdown

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) Setting {
	t.Helper()
	s, err := ParseSetting(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// change is one write and what the level file must read after it.
type change struct{ file, data, err, level string }

func write(level, err, data string) change { return change{LevelFile, data, err, level} }

func TestModel(t *testing.T) {
	const none, integ, conf = "[none] integrity confidentiality\n", "none [integrity] confidentiality\n", "none integrity [confidentiality]\n"
	for _, tc := range []struct {
		name    string
		iface   Interface
		setting string
		changes []change
	}{
		// Observed on Debian's 6.1, 6.12 and 7.3, and by the lab on 6.12.
		{"mainline", Upstream, "none", []change{
			write(none, "EPERM", "none"), write(none, "EINVAL", "bogus"), write(none, "EINVAL", ""),
			write(none, "EINVAL", "integrity "), write(none, "EINVAL", "dev_mem"),
			write(integ, "", "integrity\n"), write(integ, "EPERM", "integrity"), write(integ, "EPERM", "none"),
			write(conf, "", "confidentiality"), write(conf, "EPERM", "integrity"), write(conf, "EINVAL", "bogus"),
		}},
		{"bitmap-v1", BitmapV1, "none", []change{
			write("none integrity confidentiality\n", "EINVAL", "foo"),
			write("[none] integrity confidentiality\n", "", "none"),
			write("[none] [integrity] confidentiality\n", "", "integrity"),
			write("[none] [integrity] confidentiality\n", "", "integrity"),
			write("[none] [integrity] [confidentiality]\n", "", "confidentiality"),
		}},
		{"bitmap-v1 at boot", BitmapV1, "confidentiality@boot", []change{
			write("none [integrity] [confidentiality]\n", "", "integrity"),
		}},
		{"bitmap", Bitmap, "integrity,kcore@runtime", []change{
			write(integ, "EPERM", "integrity"), write(integ, "EPERM", "none"),
			{ReasonsFile, "perf,bogus", "EINVAL", integ}, {ReasonsFile, "perf,", "EINVAL", integ},
			{ReasonsFile, "integrity", "EINVAL", integ},
			{ReasonsFile, "kcore,kprobes,bpf_read_kernel,dbg_read_kernel,perf,tracefs,xmon_rw", "", integ},
			{ReasonsFile, "xfrm_secret\n", "", integ}, {ReasonsFile, "xfrm_secret", "", integ},
			write(conf, "", "confidentiality"), write(conf, "EPERM", "confidentiality"),
		}},
		{"reasons make no level", Bitmap, strings.Join(Tokens(), ",") + "@runtime", []change{
			write(none, "EPERM", "none"), write(integ, "", "integrity"), write(integ, "EPERM", "integrity"),
		}},
	} {
		m := NewModel(tc.iface, parse(t, tc.setting))
		for i, a := range tc.changes {
			if got := m.Answer(Op{Call: "write", File: a.file, Data: a.data}); got.Err != a.err {
				t.Errorf("%s, write %d: %s, want %q", tc.name, i, got, a.err)
			}
			if got := m.Answer(Op{Call: "read", File: LevelFile}); got.Data != a.level {
				t.Errorf("%s, write %d: level reads %q, want %q", tc.name, i, got.Data, a.level)
			}
		}
	}
}

func TestModelHasNoReasonsFileOnMainline(t *testing.T) {
	m := NewModel(Upstream, Setting{})
	for _, op := range []string{"read", "write"} {
		if got := m.Answer(Op{Call: op, File: ReasonsFile, Data: "dev_mem"}); got.Err != "ENOENT" {
			t.Errorf("%s: want ENOENT", got)
		}
	}
}

// TestLevelIsWhatWasWritten makes random writes: the level shown is the highest
// that was written, and no other, all of its reasons are locked, and no locked
// reason opens.
func TestLevelIsWhatWasWritten(t *testing.T) {
	words := append(Tokens(), "none", "integrity", "confidentiality", "", "bogus", "dev_mem,kexec\n", "kcore,bogus", " msr", strings.Join(Tokens(), ","))
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		m, highest, locked := NewModel([]Interface{Upstream, Bitmap}[round%2], Setting{}), None, map[Reason]bool{}
		for range 60 {
			file := []string{LevelFile, ReasonsFile}[rng.IntN(2)]
			op := m.Answer(Op{Call: "write", File: file, Data: words[rng.IntN(len(words))]})
			if l, err := ParseLevel(op.Data); err == nil && op.File == LevelFile {
				if (op.Err == "") != (l > highest) {
					t.Fatalf("%s in %s", op, highest)
				}
				highest = max(highest, l)
			}
			for _, r := range Reasons() {
				if !m.Locked(r.Reason) && (locked[r.Reason] || r.Level <= highest) {
					t.Fatalf("after %s: %s is open in %s", op, r.Reason, highest)
				}
				locked[r.Reason] = m.Locked(r.Reason)
			}
			shown := m.Answer(Op{Call: "read", File: LevelFile}).Data
			if strings.Count(shown, "[") != 1 || !strings.Contains(shown, "["+highest.String()+"]") {
				t.Fatalf("after %s: level reads %q, want %s alone in brackets", op, shown, highest)
			}
		}
	}
}
