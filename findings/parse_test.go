package findings

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/scenarios"
)

// good is a finding with a probe and acts.
const good = `id: x
kind: review
claim: >
  A claim
  in two lines.
source: [a, b]
kernel: posted
arch: [x86_64, arm64]
setting: integrity@boot
expect: refuted
steps:
  - probe: msr/read
    verdict: [open, gap]
  - {open: /dev/mem, flags: O_RDWR|O_SYNC, as: mem}
  - setting: none
    read: /sys/kernel/security/lockdown
    has: "[none]"
  - call: ioperm
    args: [0x80, -1, "text", "zeros:4"]
    answer: EPERM
    lockdown: ioport
    lines: 1
`

func TestParse(t *testing.T) {
	f, err := Parse("dir/x.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if f.Claim != "A claim in two lines." || len(f.Source) != 2 || f.Kernel != "posted" || len(f.Arches) != 2 || f.Expect != Refuted {
		t.Errorf("head: %+v", f)
	}
	if s := f.Steps[0]; len(s.Verdict) != 2 || f.setting(s) != "integrity@boot" {
		t.Errorf("probe: %+v", s)
	}
	if s := f.Steps[1]; s.Expects() || s.Act.Flags == 0 || s.Act.As != "mem" {
		t.Errorf("open: %+v", s)
	}
	if s := f.Steps[2]; f.setting(s) != "none" || s.Has[0] != "[none]" || !s.Expects() {
		t.Errorf("read: %+v", s)
	}
	if s := f.Steps[3]; strings.Join(s.Act.Args, " ") != "128 -1 text:text zeros:4" || *s.Lines != 1 || s.Names != "ioport" {
		t.Errorf("call: %+v", s)
	}
}

// A mark of the byte order before the file, and a folded block for kernel arguments, are
// no mistakes.
func TestParseEditors(t *testing.T) {
	f, err := Parse("x.yaml", []byte("\ufeff"+strings.Replace(good, "kernel: posted", "append: >\n  a=1\n  b\nkernel: posted", 1)))
	if err != nil || f.Append != "a=1 b" {
		t.Errorf("%q, %v", f.Append, err)
	}
}

// deep is a key in a key in a key, n deep.
func deep(n int) (text string) {
	for i := range n {
		text += strings.Repeat(" ", i+1) + "a:\n"
	}
	return text
}

// TestParseErrors: each error is at the line and column of what is wrong.
func TestParseErrors(t *testing.T) {
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the good finding has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, tc := range []struct{ name, text, want string }{
		{"unknown key", change("kernel: posted", "kernle: posted"), `x.yaml:7:1: unknown field "kernle"`},
		{"unknown key of a step", change("lines: 1", "line: 1"), `x.yaml:22:5: unknown field "line"`},
		{"key twice", change("kernel: posted", "kind: review"), `x.yaml:7:1: mapping key "kind" already defined at [2:1]`},
		{"syntax", change("arch: [x86_64, arm64]", "arch: [x86_64, arm64"), "x.yaml:9:1: "},
		{"anchor", change("kernel: posted", "kernel: &a posted"), "x.yaml:7:9: anchors"},
		{"alias", change("kernel: posted", "kernel: *a"), "x.yaml:7:9: "},
		{"a list for a text", change("integrity@boot", "[a, b]"), "x.yaml:9:10: a text is needed here, and not a list"},
		{"a text for a number", change("lines: 1", "lines: many"), "x.yaml:22:12: a whole number is needed here, and not a text"},
		{"an argument with a fraction", change("-1,", "1.5,"), "x.yaml:19:18: a whole number or a text is needed here"},
		{"an argument of more than 64 bits", change("-1,", "18446744073709551616,"), "x.yaml:19:18: 18446744073709551616 is no number"},
		{"a hexadecimal argument of more than 64 bits", change("-1,", "0xffffffffffffffffff,"), "x.yaml:19:18: 0xffffffffffffffffff is no number of 64 bits"},
		{"an octal argument of more than 64 bits", change("-1,", "0o7777777777777777777777777,"), "is no number of 64 bits"},
		{"two lines of kernel arguments", change("kernel: posted", `append: "a\nb"`), "x.yaml:7:9: kernel arguments are printable"},
		{"two documents", good + "---\nid: y\n", "x.yaml:1:1: a finding is one document"},
		{"empty", "", "x.yaml:1:1: a finding is one document"},
		{"a list", "- id: x\n", "x.yaml:1:1: a finding is a list of keys"},
		{"brackets", strings.Repeat("[", 1000), "x.yaml:1:1: 1000 brackets"},
		{"id", change("id: x", "id: X Y"), `x.yaml:1:5: id "X Y"`},
		{"other file", change("id: x", "id: y"), `x.yaml:1:5: id "y": the file must be y.yaml`},
		{"kind", change("kind: review", "kind: rumour"), `x.yaml:2:7: kind "rumour"`},
		{"claim", change("claim: >\n  A claim\n  in two lines.\n", ""), "x.yaml:1:3: claim is missing"},
		{"arch", change("arm64", "mips"), `x.yaml:8:7: arch "mips"`},
		{"arch twice", change("arm64", "x86_64"), `x.yaml:8:7: arch "x86_64" is there twice`},
		{"nested lists", "id: x\nsource:\n" + strings.Repeat("- ", 1000) + "a\n", `x.yaml:3:1: 1000 times "- "`},
		{"nested keys", "id: x\nnote:\n" + deep(65), "x.yaml:67:1: 65 spaces"},
		{"setting", change("integrity@boot", "integrity@night"), "x.yaml:9:10: "},
		{"expect", change("expect: refuted", "expect: true"), `x.yaml:10:9: expect "true"`},
		{"probe", change("msr/read", "msr/raed"), `x.yaml:12:12: there is no probe "msr/raed"`},
		{"probe of steps", change("msr/read", scenarios.StepsID), `x.yaml:12:12: there is no probe`},
		{"verdict", change("gap]", "gasp]"), `x.yaml:13:21: there is no verdict "gasp"`},
		{"no verdict", change("    verdict: [open, gap]\n", ""), "x.yaml:12:10: a probe needs the verdict"},
		{"verdict of an act", change("lockdown: ioport", "verdict: open"), "x.yaml:21:14: only a probe"},
		{"two acts", change("has: \"[none]\"", "write: /x"), "not 2 of them"},
		{"flags", change("O_SYNC", "O_SINK"), "x.yaml:14:29: unknown flag"},
		{"call", change("call: ioperm", "call: fork"), `x.yaml:18:11: a step cannot make the call "fork"`},
		{"errno", change("answer: EPERM", "answer: EPREM"), `x.yaml:20:13: answer "EPREM"`},
		{"refuted_by", change("lockdown: ioport", "refuted_by: ok"), `x.yaml:21:17: refuted_by "ok"`},
		{"no reason without an answer", change("answer: EPERM\n    lockdown: ioport\n    lines: 1", "lockdown: none"), "lockdown: none, lines, max_lines and logs_not need one"},
		{"no line without an answer", change("answer: EPERM\n    lockdown: ioport\n    lines: 1", "logs_not: x"), "logs_not need one"},
		{"reason", change("lockdown: ioport", "lockdown: io_port"), `x.yaml:21:15: there is no reason "io_port"`},
		{"lines below 0", change("lines: 1", "max_lines: -1"), "x.yaml:22:16: max_lines must not be negative"},
		{"content of a write", change("read: /sys", "write: /sys"), "only a read has a content"},
		{"data of an open", change("as: mem", "data: x"), "x.yaml:14:50: the key data means nothing beside open"},
		{"name of a read", change("has: \"[none]\"", "as: x"), "the key as means nothing beside read"},
		{"offset of a call", change("lines: 1", "at: 1"), "the key at means nothing beside call"},
		{"flags of a call", change("lines: 1", "flags: O_RDWR"), "the key flags means nothing beside call"},
		{"times of a probe", change("verdict: [open, gap]", "verdict: open\n    times: 2"), "a probe has a verdict and nothing else, and not times"},
		{"write of nothing", change("read: /sys/kernel/security/lockdown\n    has: \"[none]\"", "write: /x"), "a write needs data or hex"},
		{"flags of what is open", change("setting: none\n    read: /sys/kernel/security/lockdown", "read: $mem\n    flags: O_RDWR"), "flags mean nothing for a file that is open"},
		{"descriptor", change("-1,", "$nofile,"), "no step before it opened $nofile"},
		{"relative path", change("/dev/mem", "dev/mem"), "the path is not absolute"},
		{"out of reach with steps", good + "out_of_reach: far\n", "has steps or a reason"},
		{"both patches", good + "patch: history/a\non_top: history/b\n", "one of patch and on_top"},
	} {
		_, err := Parse("x.yaml", []byte(tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.want) || !errors.As(err, new(*Error)) {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := fstest.MapFS{
		"a/x.yaml":   {Data: []byte(good)},
		"b/y.yaml":   {Data: []byte(strings.Replace(strings.Replace(good, "id: x", "id: y", 1), "review", "history", 1))},
		"b/z.txt":    {Data: []byte("no finding")},
		"b/big.yaml": {Data: make([]byte, maxFile+1)},
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "b/big.yaml:1:1: 65537 bytes") {
		t.Errorf("a big file: %v", err)
	}
	delete(dir, "b/big.yaml")
	list, err := Load(dir)
	if err != nil || len(list) != 2 || list[0].ID != "x" || list[1].ID != "y" {
		t.Errorf("got %v, %v", list, err)
	}
	dir["c/x.yaml"] = &fstest.MapFile{Data: []byte(good)}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "c/x.yaml:1:1: id x is also that of a/x.yaml") {
		t.Errorf("an id twice: %v", err)
	}
}

// TestLoadPatch: a patch beside a finding in a subdirectory has its path from the
// directory of all findings, and a patch of the lab its name.
func TestLoadPatch(t *testing.T) {
	with := func(id, patch string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.Replace(good, "id: x", "id: "+id, 1) + patch + "\n")}
	}
	list, err := Load(fstest.MapFS{
		"a/x.yaml":  with("x", "patch: p.patch"),
		"a/p.patch": {Data: []byte("p")},
		"b/y.yaml":  with("y", "on_top: ../a/p.patch"),
		"b/z.yaml":  with("z", "patch: history/kdb"),
		"w.yaml":    with("w", "patch: a/p.patch"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range list {
		got = append(got, f.ID+" "+f.Patch+f.OnTop)
	}
	if want := []string{"w a/p.patch", "x a/p.patch", "y a/p.patch", "z history/kdb"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLibrary holds the lab's findings against its tables. The issue wants at least
// so many of each kind that a run decides.
func TestLibrary(t *testing.T) {
	list, err := Library()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := kernels.Load()
	if err != nil {
		t.Fatal(err)
	}
	decided, history := map[Kind]int{}, map[string]bool{}
	for _, f := range list {
		if _, ok := tables.Kernel(f.Kernel); !ok {
			t.Errorf("%s: there is no kernel %s", f.File, f.Kernel)
		}
		for _, patch := range []string{f.Patch, f.OnTop} {
			if patch == "" {
				continue
			}
			history[strings.TrimPrefix(patch, "history/")] = true
			if files, err := kernels.FindingPatch(patch); err != nil || len(files) == 0 {
				t.Errorf("%s: patch %s: %v", f.File, patch, err)
			}
		}
		for _, s := range f.Steps {
			if row, ok := scenarios.Find(s.Probe); ok && !row.On(f.Arches[0]) {
				t.Errorf("%s: %s has no probe %s", f.File, f.Arches[0], s.Probe)
			}
		}
		if f.Expect != NotApplicable {
			decided[f.Kind]++
		}
	}
	patches, err := os.ReadDir("../kernels/patches/history")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range patches {
		if !history[d.Name()] {
			t.Errorf("no finding has the patch history/%s", d.Name())
		}
	}
	for kind, least := range map[Kind]int{Review: 20, History: 15, Report: 8, Impostor: 3} {
		if decided[kind] < least {
			t.Errorf("%d findings of kind %s, want at least %d", decided[kind], kind, least)
		}
	}
}

// TestClaimsMeasured: docs/claims.md, which is measured, has every finding of the library
// and no other, as often as its table counts. "make claims" writes it anew. The table of
// README.md is the same (TestReadmeClaims).
func TestClaimsMeasured(t *testing.T) {
	list, err := Library()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../docs/claims.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, have []string
	kinds := map[Kind]int{}
	for _, f := range list {
		want = append(want, f.ID)
		kinds[f.Kind]++
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)`: ").FindAllStringSubmatch(string(text), -1) {
		have = append(have, m[1])
		if !slices.Contains(want, m[1]) {
			t.Errorf("docs/claims.md has %s, which the library has not", m[1])
		}
	}
	for _, id := range want {
		if !slices.Contains(have, id) {
			t.Errorf("docs/claims.md lacks %s", id)
		}
	}
	for kind, n := range kinds {
		m := regexp.MustCompile(`(?m)^\| ` + string(kind) + ` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$`).FindStringSubmatch(string(text))
		sum := 0
		for i := 1; i < len(m); i++ {
			k, _ := strconv.Atoi(m[i]) // matched
			sum += k
		}
		if sum != n {
			t.Errorf("the table of docs/claims.md counts %d of kind %s, and the library has %d", sum, kind, n)
		}
	}
}

func TestTemplate(t *testing.T) {
	if _, err := Template("Bad Name"); err == nil {
		t.Error("a template with a bad id")
	}
	text, err := Template("my-claim")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "Message-ID") {
		t.Error("the template has the id in the word Message-ID")
	}
	f, err := Parse("my-claim.yaml", []byte(text))
	if err != nil || len(f.Steps) < 4 {
		t.Errorf("%+v, %v", f, err)
	}
}

// FuzzParse: whatever a file has, it is a finding that can be planned, or an error
// with a place in the file.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(template))
	f.Add([]byte("id: x\nsteps: [{args: [{a: 1}]}]\n"))
	f.Add([]byte("id: x\nsource: {a: [b]}\n"))
	f.Add([]byte("<<: *a\n? [x]\n: - &a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := Parse("x.yaml", text)
		if err == nil {
			x.Kernel = "stock"
			for _, r := range Runs([]Finding{x}, nil) {
				if len(r.Selection().Jobs) == 0 {
					t.Errorf("%s has nothing to do", r.Name())
				}
			}
			return
		}
		var place *Error
		if !errors.As(err, &place) || place.Line < 1 || place.Column < 1 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}
