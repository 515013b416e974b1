package lockdown

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

const (
	showNone   = "[none] integrity confidentiality\n"
	showInteg  = "none [integrity] confidentiality\n"
	showQuoted = `"[none] integrity confidentiality\n"`
	showConf   = "none integrity [confidentiality]\n"
)

func wr(file, data, err string) Op { return Op{Call: "write", File: file, Data: data, Err: err} }
func rd(file, data string) Op      { return Op{Call: "read", File: file, Data: data} }
func level(data, err string) Op    { return wr(LevelFile, data, err) }
func reasonsOf(data, err string) Op {
	return wr(ReasonsFile, data, err)
}

// same puts an operation on the descriptor of the one before it.
func same(s Op) Op { s.Same = true; return s }

// at sets the offset of an operation.
func at(n int64, s Op) Op { s.At = n; return s }

// once puts operations into a group.
func once(group int, ops ...Op) []Op {
	for i := range ops {
		ops[i].Group = group
	}
	return ops
}

func sequence(parts ...any) []Op {
	var ops []Op
	for _, p := range parts {
		switch p := p.(type) {
		case Op:
			ops = append(ops, p)
		case []Op:
			ops = append(ops, p...)
		}
	}
	return ops
}

// listed is the reasons file with the named reasons locked.
func listed(locked ...Reason) string {
	return NewModel(Bitmap, Setting{Reasons: locked}).showReasons()
}

func TestExplain(t *testing.T) {
	all := strings.Join(Tokens(), ",")
	for _, tc := range []struct {
		name    string
		iface   Interface
		setting string
		ops     []Op
		from    int    // the first unexplained operation, counted from 1; 0: all are explained
		to      int    // 0: from
		wants   string // separated by " or "
	}{
		{"good", Bitmap, "none", sequence(reasonsOf("dev_mem\n", ""), rd(LevelFile, showNone), rd(ReasonsFile, listed("dev_mem"))), 0, 0, ""},
		{"wrong errno", Bitmap, "none", sequence(reasonsOf("dev_mem", ""), reasonsOf("bogus", "EPERM")), 2, 0, "EINVAL"},
		{"refused and done", Bitmap, "none", sequence(reasonsOf("dev_mem,bogus", "EINVAL"), rd(ReasonsFile, listed("dev_mem"))), 2, 0, `"`},
		{"case does not matter", Bitmap, "none", sequence(reasonsOf("DEV_MEM", "")), 1, 0, "EINVAL"},
		{"level lowered", Bitmap, "confidentiality@boot", sequence(level("integrity", "")), 1, 0, "EPERM"},
		{"level lowered and refused", Upstream, "confidentiality@boot", sequence(level("integrity", "EPERM"), rd(LevelFile, showInteg)), 2, 0, `"none integrity [confidentiality]\n"`},
		{"no file", Upstream, "none", sequence(reasonsOf("dev_mem", "ENOENT"), Op{Call: "read", File: ReasonsFile, Err: "ENOENT"}), 0, 0, ""},
		{"a file", Upstream, "none", sequence(rd(ReasonsFile, "")), 1, 0, "ENOENT"},

		// Descriptors: a write is a whole command; reads move the position.
		{"split", Bitmap, "none", sequence(reasonsOf("dev_mem,", "EINVAL"), same(reasonsOf("kexec", "")), same(reasonsOf("msr", "")), rd(ReasonsFile, listed("kexec", "msr"))), 0, 0, ""},
		{"split joined", Bitmap, "none", sequence(reasonsOf("dev_", ""), same(reasonsOf("mem", ""))), 1, 0, "EINVAL"},
		{"level written after reading", Bitmap, "none", sequence(rd(LevelFile, showNone), same(level("integrity", "")), same(rd(LevelFile, "")), same(at(5, rd(LevelFile, "[integrity] confidentiality\n")))), 0, 0, ""},
		{"read after a group is another descriptor", Bitmap, "none", sequence(once(1, rd(LevelFile, showNone)), rd(LevelFile, showNone)), 0, 0, ""},

		{"written at an offset", Bitmap, "none", sequence(at(7, reasonsOf("dev_mem", "ESPIPE")), at(7, level("integrity", ""))), 0, 0, ""},
		{"offset taken", Bitmap, "none", sequence(at(7, reasonsOf("dev_mem", ""))), 1, 0, "ESPIPE"},
		{"written after reading", Bitmap, "none", sequence(rd(ReasonsFile, listed()), same(reasonsOf("msr", "")), same(rd(ReasonsFile, "")), rd(ReasonsFile, listed("msr"))), 0, 0, ""},
		{"reasons make no level", Bitmap, "none", sequence(reasonsOf(all, ""), rd(LevelFile, showNone), level("integrity", ""), rd(LevelFile, showInteg), level("integrity", "EPERM")), 0, 0, ""},
		{"a level made of reasons", Bitmap, "none", sequence(reasonsOf(all, ""), rd(LevelFile, showConf)), 2, 0, showQuoted},
		{"all of a level", Bitmap, "none", sequence(level("confidentiality", ""), rd(ReasonsFile, NewModel(Bitmap, Setting{Level: Confidentiality}).showReasons())), 0, 0, ""},

		// Concurrent operations.
		{"one of two wins", Bitmap, "none", sequence(once(1, level("integrity", ""), level("integrity", "EPERM")), rd(LevelFile, showInteg)), 0, 0, ""},
		{"the other wins", Bitmap, "none", sequence(once(1, level("integrity", "EPERM"), level("integrity", "")), rd(LevelFile, showInteg)), 0, 0, ""},
		{"both win", Bitmap, "none", sequence(once(1, level("integrity", ""), level("integrity", ""))), 1, 2, ""},
		{"none wins", Bitmap, "none", sequence(rd(LevelFile, showNone), once(1, level("integrity", "EPERM"), level("integrity", "EPERM"))), 2, 3, ""},
		{"up in order", Bitmap, "none", sequence(once(1, level("confidentiality", ""), level("integrity", "")), rd(LevelFile, showConf)), 0, 0, ""},
		{"lower one stays", Bitmap, "none", sequence(once(1, level("confidentiality", ""), level("integrity", "")), rd(LevelFile, showInteg)), 3, 0, `"none integrity [confidentiality]\n"`},
		{"lost update", Bitmap, "none", sequence(once(1, reasonsOf("dev_mem", ""), reasonsOf("msr", ""), reasonsOf("kexec,perf", "")), rd(ReasonsFile, listed("dev_mem", "msr"))), 4, 0, "perf locked"},
		{"seen in between", Bitmap, "none", sequence(once(1, reasonsOf("dev_mem", ""), rd(ReasonsFile, listed("msr")), reasonsOf("msr", ""), rd(LevelFile, showNone))), 0, 0, ""},
		{"half of a write seen", Bitmap, "none", sequence(once(1, reasonsOf("dev_mem,msr", ""), rd(ReasonsFile, listed("msr")))), 1, 2, ""},
		{"a thread's own ops keep their order", Bitmap, "none", sequence(once(1, level("confidentiality", ""), same(level("integrity", "")))), 1, 2, ""},
		{"a level comes between", Bitmap, "none", sequence(once(1, reasonsOf(all, ""), level("integrity", ""), same(level("confidentiality", ""))), level("none", "EPERM")), 0, 0, ""},
		{"a split among others", Bitmap, "none", sequence(once(1, reasonsOf("dev_mem", ""), same(rd(ReasonsFile, listed("dev_mem", "msr"))), same(reasonsOf("perf", "")), reasonsOf("msr", "")), rd(ReasonsFile, listed("dev_mem", "msr", "perf"))), 0, 0, ""},
		// The state is unknown until it is read.
		{"two pasts", Upstream, "none", sequence(once(1, level("integrity", ""), level("confidentiality", "")), rd(LevelFile, showInteg)), 0, 0, ""},
		{"two pasts, and neither", Upstream, "none", sequence(once(1, level("integrity", ""), level("confidentiality", "")), rd(LevelFile, showNone)), 3, 0, `"none integrity [confidentiality]\n" or "none [integrity] confidentiality\n"`},
		{"a past is chosen", Upstream, "none", sequence(once(1, level("integrity", ""), level("confidentiality", "")), level("confidentiality", ""), rd(LevelFile, showConf), level("integrity", "EPERM")), 0, 0, ""},
		{"a past was chosen", Upstream, "none", sequence(once(1, level("integrity", ""), level("confidentiality", "")), level("confidentiality", "EPERM"), rd(LevelFile, showInteg)), 4, 0, `"none integrity [confidentiality]\n"`},

		// Mainline compares and stores later.
		{"both win in mainline", Upstream, "none", sequence(once(1, level("integrity", ""), level("integrity", "")), rd(LevelFile, showInteg)), 0, 0, ""},
		{"none wins in mainline", Upstream, "none", sequence(once(1, level("integrity", "EPERM"), level("integrity", "EPERM"))), 1, 2, ""},
		{"never below where it began", Upstream, "integrity@boot", sequence(once(1, level("integrity", ""), level("confidentiality", ""))), 1, 2, ""},
		{"mainline shows two levels", Upstream, "none", sequence(once(1, level("integrity", ""), rd(LevelFile, "[none] [integrity] confidentiality\n"))), 0, 0, ""},
		{"mainline shows none", Upstream, "none", sequence(once(1, level("integrity", ""), same(level("confidentiality", "")), rd(LevelFile, "none integrity confidentiality\n"))), 1, 3, ""},
		{"bitmap shows one level", Bitmap, "none", sequence(once(1, level("integrity", ""), rd(LevelFile, "[none] [integrity] confidentiality\n"))), 1, 2, ""},
	} {
		err := Explain(tc.iface, parse(t, tc.setting), tc.ops)
		var un *Unexplained
		switch {
		case tc.from == 0 && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.from == 0:
		case !errors.As(err, &un):
			t.Errorf("%s: %v, want operation %d unexplained", tc.name, err, tc.from)
		case un.From+1 != tc.from || un.To != max(tc.from, tc.to) || !strings.Contains(un.wants(Op.Returned), tc.wants):
			t.Errorf("%s: %v, want operations %d to %d, %q", tc.name, err, tc.from, max(tc.from, tc.to), tc.wants)
		}
	}
}

func TestTranscript(t *testing.T) {
	err := Explain(Bitmap, Setting{}, sequence(
		once(3, reasonsOf("dev_mem", ""), at(9, reasonsOf("msr", "ESPIPE")), same(rd(ReasonsFile, listed("dev_mem")))),
		reasonsOf(strings.Repeat("msr,", 30), ""), rd(LevelFile, "")))
	var un *Unexplained
	if !errors.As(err, &un) {
		t.Fatal(err)
	}
	got := un.Transcript()
	for _, want := range []string{
		`   1 { write("/sys/kernel/security/lockdown_reasons", "dev_mem") = 7` + "\n",
		`   2 { pwrite("/sys/kernel/security/lockdown_reasons", "msr", 9) = ESPIPE` + "\n",
		`   3 | read("/sys/kernel/security/lockdown_reasons") = "...dev_mem locked\n..."` + "\n",
		`   4   write("/sys/kernel/security/lockdown_reasons", "msr,msr,`,
		`msr,"..., 120) = 120` + "\n" + `     want EINVAL` + "\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("transcript lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "   5 ") {
		t.Errorf("transcript goes on:\n%s", got)
	}
	un = &Unexplained{Ops: once(1, level("integrity", ""), level("integrity", "")), To: 2}
	if got := un.Transcript(); !strings.HasSuffix(got, "     no order of operations 1 to 2 gives these answers\n") {
		t.Errorf("transcript of a group:\n%s", got)
	}
}

func TestCheckSequence(t *testing.T) {
	good := level("integrity", "")
	five := once(1, good, good, good, good, good)
	nine := once(1, good)
	for range 8 {
		nine = append(nine, once(1, same(good))...)
	}
	for _, tc := range []struct {
		ops  []Op
		want string // "": none
	}{
		{nil, ""},
		{sequence(good, same(good), once(1, good, same(good), good), once(2, good)), ""},
		{make([]Op, maxOps+1), "1025 operations"},
		{sequence(good, Op{Call: "unlink", File: LevelFile}), "operation 2"},
		{sequence(wr("/etc/passwd", "", "")), "not a lockdown file"},
		{sequence(at(-1, good)), "before the start"},
		{sequence(same(good)), "descriptor"},
		{sequence(good, same(reasonsOf("msr", ""))), "descriptor"},
		{sequence(good, once(1, same(good))), "descriptor"},
		{sequence(once(1, good), same(good)), "descriptor"},
		{five, "5 operations of 5 writers"},
		{nine, "9 operations of 1 writers"},
	} {
		err := CheckSequence(tc.ops)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%d operations: %v, want %q", len(tc.ops), err, tc.want)
		}
		if err != nil && Explain(Bitmap, Setting{}, tc.ops) == nil {
			t.Errorf("%d operations are explained: %v", len(tc.ops), err)
		}
	}
	if err := Explain(BitmapV1, Setting{}, once(1, good)); err == nil || !strings.Contains(err.Error(), "bitmap-v1") {
		t.Errorf("a group on bitmap-v1: %v", err)
	}
}

// TestOpJSON checks that every byte written survives.
func TestOpJSON(t *testing.T) {
	for _, s := range []Op{
		level("integrity", "EPERM"), reasonsOf("msr\xff\x00\n", "EINVAL"), reasonsOf("\x80", ""), reasonsOf("\u212a", ""),
		once(3, same(at(7, level("\x00", ""))))[0],
	} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got Op
		if err := json.Unmarshal(b, &got); err != nil || got != s {
			t.Errorf("%s is %s is %s, %v", s, b, got, err)
		}
	}
	b, _ := json.Marshal(level("none", ""))
	if want := `{"Call":"write","File":"/sys/kernel/security/lockdown","Data":"none"}`; string(b) != want {
		t.Errorf("%s, want %s as in results files", b, want)
	}
}
