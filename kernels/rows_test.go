package kernels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels/internal/callsites"
	"github.com/ldlab/ldlab/kernels/source"
	"github.com/ldlab/ldlab/scenarios"
)

// The rows and the reasons hold for the source of every base in the cache: where a row says that
// lockdown checks an act, the function makes a call for the row's reason, and where it
// says that there is a gap, there is the function. LDLAB_SERIES may name further
// sources.
func TestRowsAgainstSources(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	store, err := cache.Open("", nil)
	if err != nil {
		t.Fatal(err)
	}
	words := append(tables.Bases(), strings.Fields(os.Getenv(seriesEnv))...)
	slices.Sort(words)
	checked := 0
	for _, word := range slices.Compact(words) {
		base, ok := tables.Base(word)
		if !ok {
			base.Source = word
		}
		s, err := source.Parse(base.Source)
		if err != nil {
			continue // LDLAB_SERIES=all
		}
		origin, err := source.Cache{Store: store, Events: func(Event) {}}.Find(t.Context(), s)
		if errors.Is(err, source.ErrNotFetched) || err == nil && origin.Root == "" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer origin.Close()
		checked++
		t.Run(strings.ReplaceAll(word, "/", "+"), func(t *testing.T) {
			for _, why := range wrongRows(os.DirFS(origin.Root), origin.Version) {
				t.Error(why)
			}
			var files [][]byte
			for _, name := range callsites.ReasonFiles {
				text, err := os.ReadFile(filepath.Join(origin.Root, name))
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, text)
			}
			has, err := callsites.Reasons(files)
			if err != nil || has == nil {
				t.Fatalf("%d reasons: %v", len(has), err)
			}
			t.Logf("%s lacks %q", origin.Version, has.Lacking())
			for _, why := range contradictions(has) {
				t.Error(why)
			}
		})
	}
	if checked == 0 {
		testutil.Require(t, "kernels", errors.New("no source is in the cache"))
	}
}

// wrongRows lists the rows that a source of a version contradicts.
func wrongRows(tree fs.FS, version string) (list []string) {
	x := sourceFiles{tree: tree, calls: map[string]bool{}, texts: map[string][]byte{}}
	for _, row := range scenarios.Rows() {
		calls := map[string]bool{}
		for _, site := range []string{row.SiteIn(version), row.Instead} {
			x.read(site)
			calls[site] = x.calls[site]
		}
		row := row.Of(scenarios.Kernel{Version: version, Calls: calls})
		x.read(row.ClosedBy)
		switch {
		case row.Expect != scenarios.Checked && row.Expect != scenarios.Gap:
		case row.Absent != "":
			// Otherwise something else than the function is what is absent.
			file, function, _ := strings.Cut(row.Site, ":")
			if named := strings.Contains(row.Absent, function) || strings.Contains(row.Absent, path.Base(file)); named && x.has(row.Site) {
				list = append(list, fmt.Sprintf("%s: %s is there in %s, though %s", row.ID, row.Site, version, row.Absent))
			}
		case row.Expect == scenarios.Checked && !x.calls[row.Site+" "+string(row.Reason)]:
			list = append(list, fmt.Sprintf("%s: %s does not check %s in %s", row.ID, row.Site, row.Reason, version))
		case !x.has(row.Site) || row.ClosedBy != "" && !x.has(row.ClosedBy):
			list = append(list, fmt.Sprintf("%s: there is no %s or no %s in %s", row.ID, row.Site, row.ClosedBy, version))
		}
	}
	return list
}

// sourceFiles are files of a source, and the calls of security_locked_down() in them,
// by file:function, and by that and the reason.
type sourceFiles struct {
	tree  fs.FS
	calls map[string]bool
	texts map[string][]byte
}

func (x sourceFiles) read(site string) {
	file, _, ok := strings.Cut(site, ":")
	if _, done := x.texts[file]; done || !ok {
		return
	}
	x.texts[file], _ = fs.ReadFile(x.tree, file)
	for _, s := range callsites.File(file, x.texts[file]) {
		x.calls[s.Where()] = true
		x.calls[s.Where()+" "+string(s.Reason)] = true
	}
}

var systemCallPrefix = regexp.MustCompile(`^__do_(compat_)?sys_`)

// has reports whether a file:function is in the source.
func (x sourceFiles) has(site string) bool {
	file, function, _ := strings.Cut(site, ":")
	function = systemCallPrefix.ReplaceAllString(function, "")
	return site == "" || regexp.MustCompile(`\b`+regexp.QuoteMeta(function)+`\b`).Match(x.texts[file])
}

// A source that contradicts a row is noticed.
func TestWrongRows(t *testing.T) {
	dir := tree(t, map[string]string{"drivers/char/mem.c": "static int open_port(void)\n{\n\treturn security_locked_down(LOCKDOWN_KCORE);\n}\n"})
	all := strings.Join(wrongRows(os.DirFS(dir), "6.12.117"), "\n")
	for _, want := range []string{
		"devmem/open: drivers/char/mem.c:open_port does not check dev_mem in 6.12.117", // another reason
		"kexec/load: kernel/kexec.c:kexec_load_check does not check kexec in 6.12.117", // no file
		"kept/devmem: there is no drivers/char/mem.c:read_mem",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("not noticed: %s", want)
		}
	}
	if strings.Contains(all, "kprobes/fprobe: there is no") {
		t.Error(all)
	}
	fprobe := tree(t, map[string]string{"kernel/trace/trace_fprobe.c": "int __register_trace_fprobe(void);\n"})
	if all := strings.Join(wrongRows(os.DirFS(fprobe), "6.1.187"), "\n"); !strings.Contains(all, "kprobes/fprobe: kernel/trace/trace_fprobe.c:__register_trace_fprobe is there in 6.1.187") {
		t.Errorf("not noticed: what is absent is there: %s", all)
	}
}
