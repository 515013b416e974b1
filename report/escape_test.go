package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/report/words"
	"github.com/ldlab/ldlab/scenarios"
)

// hostile has text that a guest may send: escape sequences (ESC and C1),
// characters that reorder text, bytes that are not UTF-8, and markup of
// Markdown, HTML and XML.
const hostile = "\x1b]0;t\a\x9b2J\u009b5n\u202e\u2066\x00\x7f\r\b\xff\ufeff ]]> <b>h</b> &lt; <!--c--> | a | **b** __u__ `c` [l](http://h) ![i](x) @user #12 $m$ ~~s~~ https://x www.y.z\n# h\n- i\n"

// marks are parts of hostile that must not appear in Markdown.
var marks = []string{"<b>", "<!--", "&lt; ", " | a |", " **b", " __u", "`c`", "[l]", "![i", " @user", " #12", " $m$", " ~~s", "https://", "www.y", "\n# h", "\n- i\n"}

// poison puts the text into every string reachable from v, except those that
// the lab writes and that decide what is printed.
func poison(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem(), text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			poison(v.Field(i), text)
		}
	case reflect.String:
		if !v.CanSet() {
			return // a field of the lab's own
		}
		switch v.Interface().(type) {
		case matrix.Verdict, matrix.Ending, matrix.Reach, matrix.Status, matrix.Detection, lockdown.Reason, lockdown.Level, lockdown.Delivery, scenarios.Outcome, diff.ChangeKind, findings.Kind, findings.Status:
		default:
			v.SetString(text)
		}
	}
}

func poisoned(t testing.TB, text string) Measurement {
	m := measurement(t)
	poison(reflect.ValueOf(m.Matrix), text)
	for i := range m.Matrix.Tables[0].Rows {
		m.Matrix.Tables[0].Rows[i].Expect = scenarios.Checked.String()
	}
	poison(reflect.ValueOf(m.Coverage), text)
	poison(reflect.ValueOf(m.Mutation), text)
	poison(reflect.ValueOf(m.Review), text)
	poison(reflect.ValueOf(m.Versions), text)
	poison(reflect.ValueOf(m.Diff), text)
	poison(reflect.ValueOf(m.Findings), text)
	return m
}

// plain returns the first character of an output that a terminal would
// interpret.
func plain(s string) (rune, bool) {
	if !utf8.ValidString(s) {
		return utf8.RuneError, false
	}
	for _, r := range s {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) { // the junit library indents with tabs
			return r, false
		}
	}
	return 0, true
}

func checkViews(t *testing.T, text string) {
	t.Helper()
	lines := map[string]int{}
	for _, v := range Views() {
		lines[v.Name] = strings.Count(string(write(t, v, poisoned(t, "x"))), "\n")
	}
	for _, v := range Views() {
		got := string(write(t, v, poisoned(t, text)))
		if r, ok := plain(got); !ok {
			t.Errorf("%s lets %q through", v.Name, r)
		}
		// A reply is wrapped, and both name the patch of a remark, which depends on the texts.
		if n := strings.Count(got, "\n"); v.Name != "junit" && v.Name != "review" && !strings.HasPrefix(v.Name, "versions") && v.Name != "review-reply" && v.Name != "review-json" && n != lines[v.Name] {
			t.Errorf("%s: %d lines, want %d: a guest adds lines", v.Name, n, lines[v.Name])
		}
		switch v.Name {
		case "json":
			if !json.Valid([]byte(got)) {
				t.Errorf("json is not JSON")
			}
		case "junit":
			d := xml.NewDecoder(strings.NewReader(got))
			for {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("junit is not XML: %v", err)
				}
				if s, ok := token.(xml.StartElement); ok && s.Name.Local == "b" {
					t.Error("junit: a guest makes an element")
				}
			}
		}
	}
}

// TestGuestsCannotWriteMarkup has hostile text in every string of every view.
func TestGuestsCannotWriteMarkup(t *testing.T) {
	checkViews(t, hostile)
	checked := 0
	for _, v := range Views() {
		if !strings.HasSuffix(v.Golden, ".md") {
			continue
		}
		checked++
		got := withoutCode(string(write(t, v, poisoned(t, hostile))))
		for _, mark := range marks {
			if strings.Contains(got, mark) {
				t.Errorf("%s has %q", v.Name, mark)
			}
		}
	}
	if checked < 6 {
		t.Errorf("%d views are Markdown", checked)
	}
}

// withoutCode removes the code from Markdown without escaped backquotes in
// code.
func withoutCode(s string) string {
	parts := strings.Split(strings.ReplaceAll(s, "\\`", ""), "`")
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		b.WriteString(parts[i])
	}
	return b.String()
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"dev_mem@boot": "dev_mem@boot", "a@b.c": "a@b.c", "ask @you": `ask \@you`, "<a&b>": "&lt;a&amp;b&gt;",
		"http://x": `http\://x`, "a: b": "a: b", "_a b_": `\_a b\_`, "__a__": `\_\_a\_\_`, "a_b_c": "a_b_c", "a!": "a!", "WWW.x": `WWW\.x`, "a.b": "a.b", "a\tb\nc": "a b\uFFFDc", "é": "é",
	} {
		if got := words.Markdown(in); got != want {
			t.Errorf("escape(%q) = %q, want %q", in, got, want)
		}
	}
	if got := words.Code("a`b|c\x1b"); got != "`a'b\\|c\uFFFD`" {
		t.Errorf("code: %q", got)
	}
}

// FuzzEscape: a view has no control character, Markdown has no words.MarkupCharacters, and JSON
// keeps its meaning.
func FuzzEscape(f *testing.F) {
	f.Add(hostile)
	f.Add("\U000e0001\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		for name, got := range map[string]string{"clean": words.Clean(s), "escape": words.Markdown(s), "code": words.Code(s)} {
			if r, ok := plain(got); !ok || strings.ContainsAny(got, "\n\t") {
				t.Errorf("%s(%q) lets %q through", name, s, r)
			}
		}
		bare := strings.NewReplacer(`\\`, "", "\\`", "", `\*`, "", `\_`, "", `\{`, "", `\}`, "", `\[`, "", `\]`, "", `\|`, "", `\~`, "", `\#`, "", `\!`, "", `\$`, "", `\@`, "", `\:`, "", `\.`, "").Replace(words.Markdown(s))
		if strings.ContainsAny(bare, words.MarkupCharacters+"<>") || strings.HasPrefix(bare, "_") || strings.HasSuffix(bare, "_") {
			t.Errorf("escape(%q) leaves markup: %q", s, bare)
		}
		if inner := strings.Trim(words.Code(s), "`"); strings.Contains(inner, "`") {
			t.Errorf("code(%q) ends early", s)
		}
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var before, after string
		escaped := words.JSON(string(raw))
		if json.Unmarshal(raw, &before) != nil || json.Unmarshal([]byte(escaped), &after) != nil || before != after {
			t.Errorf("JSON changes %q into %q", before, after)
		}
		if r, ok := plain(escaped); !ok {
			t.Errorf("JSON lets %q through", r)
		}
	})
}

// TestLinesAreShort: long lists are broken between items, and a long reason is
// cut off in the line of a host.
func TestLinesAreShort(t *testing.T) {
	items := slices.Repeat([]string{"12 of something"}, 20)
	got := words.Wrap(items)
	if strings.ReplaceAll(got, ",\n", ", ") != strings.Join(items, ", ") {
		t.Errorf("wrap changes the list: %q", got)
	}
	hosts := []matrix.Host{{Arch: "x86_64", QEMU: "QEMU emulator version 7.2.22 (Debian)", CPU: "max", Why: strings.Repeat("é ", 300)}, {Arch: "arm64"}}
	machines := words.Machines(hosts)
	if n := strings.Count(machines, "\n"); n != 1 || !strings.HasPrefix(machines, "x86_64: QEMU 7.2.22, CPU max; é é") {
		t.Errorf("machines: %q", machines)
	}
	for _, line := range strings.Split(got+"\n"+machines, "\n") {
		if n := utf8.RuneCountInString(line); n > words.MaxLine {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}
