package kernels

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
)

// seriesEnv names the sources on which TestSeriesForReal tries the series: bases of
// the table and sources in text form, with blanks between them; "all" stands for every
// base.
const seriesEnv = "LDLAB_SERIES"

// Every series passes git am, the source's own checkpatch --strict, and a compiler
// with W=1 after each patch, on every base whose version it claims. It fetches bases
// that are not in the cache, and leaves out one that the mirror lists and does not have.
// With -short, it compiles nothing.
func TestSeriesForReal(t *testing.T) {
	words := strings.Fields(os.Getenv(seriesEnv))
	if len(words) == 0 {
		t.Skip(seriesEnv + " names no base")
	}
	for _, program := range []string{"git", "make", "gcc"} {
		testutil.RequireProgram(t, program)
	}
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.Index(words, "all"); i >= 0 {
		words = slices.Replace(words, i, i+1, tables.Bases()...)
	}
	tried := 0
	for _, word := range words {
		t.Run(strings.ReplaceAll(word, "/", "+"), func(t *testing.T) {
			origin, base := seriesSource(t, tables, word)
			defer origin.Close()
			tried++
			tryAll(t, tables, origin, base)
		})
	}
	if tried == 0 {
		t.Errorf("the mirror has none of %q", words)
	}
}

// seriesSource fetches a source. One that is not in the table is taken for
// upstream's.
func seriesSource(t *testing.T, tables *Tables, word string) (source.Origin, Base) {
	t.Helper()
	base, ok := tables.Base(word)
	if !ok {
		base = Base{Name: word, Source: word}
	}
	s, err := source.Parse(base.Source)
	if err != nil {
		t.Fatal(err)
	}
	store, err := cache.Open("", nil)
	if err != nil {
		t.Fatal(err)
	}
	origin, err := source.Cache{Store: store, Events: func(Event) {}}.Get(t.Context(), s)
	if errors.Is(err, source.ErrNotServed) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return origin, base
}

// tryAll tries every order of series that the table has for the base.
func tryAll(t *testing.T, tables *Tables, origin source.Origin, base Base) {
	tried := newTried(t, tables, origin)
	for _, names := range orders(tables, base, origin.Version) {
		t.Run(strings.Join(names, "+"), func(t *testing.T) {
			tried.t = t
			var all []patchset.Patch
			of := map[string]string{}
			for _, name := range names {
				s, err := tables.series(name)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range s.At(origin.Version).Patches {
					all = append(all, p)
					of[p.SHA256()] = name
				}
			}
			tried.begin(all)
			for _, p := range all {
				tried.patch(of[p.SHA256()], p)
			}
		})
	}
}

// orders lists the series of each kernel of the table, and those for mainline one on
// top of the other, as far as all of them are for the version. What another order
// begins with is not listed.
func orders(tables *Tables, base Base, version string) (list [][]string) {
	all := [][]string{upstreamSeries, {"kunit", "race"}}
	for _, k := range tables.Kernels() {
		all = append(all, k.Series)
	}
	claimed := func(names []string) bool {
		return !slices.ContainsFunc(names, func(name string) bool {
			s, err := tables.series(name)
			return err != nil || !s.Versions.Has(version)
		})
	}
	for i, names := range all {
		first := slices.Clone(base.Series)
		// Debian's source needs the adapter for what is for mainline.
		if slices.ContainsFunc(names, func(n string) bool { return slices.Contains(upstreamSeries, n) }) && strings.HasPrefix(base.Source, string(source.Apt)+":") && !slices.Contains(first, adapter) {
			first = append(first, adapter)
		}
		all[i] = append(first, names...)
	}
	for i, names := range all {
		longer := slices.ContainsFunc(all, func(o []string) bool {
			return claimed(o) && len(o) > len(names) && slices.Equal(o[:len(names)], names)
		})
		again := slices.ContainsFunc(all[:i], func(o []string) bool { return slices.Equal(o, names) })
		if len(names) > 0 && claimed(names) && !longer && !again {
			list = append(list, names)
		}
	}
	return list
}

// A tried source is a copy of links to its files, in which git has what patches
// change, and directories in which it is compiled.
type tried struct {
	t          *testing.T
	origin     source.Origin
	tree, mail string // mail is the file of the patch at hand
	builds     []triedBuild
	touched    []string        // files in C that the order at hand changes
	complaints map[string]bool // that the source gets as it is
}

// A triedBuild is a directory in which the source is compiled with a configuration.
type triedBuild struct {
	out, config string
	options     string // with which it was configured
}

func newTried(t *testing.T, tables *Tables, origin source.Origin) *tried {
	t.Helper()
	dir := t.TempDir()
	x := &tried{t: t, origin: origin, tree: filepath.Join(dir, "tree"), mail: filepath.Join(dir, "mail"), complaints: map[string]bool{}}
	x.command("", "cp", "-as", origin.Root, x.tree)
	x.command(x.tree, "rm", "-rf", ".git", ".gitattributes") // of a source that is a directory; git reads no link
	x.command(x.tree, "git", "init", "-q")
	x.command(x.tree, "git", "commit", "-q", "--allow-empty", "-m", "base")
	x.command(x.tree, "git", "tag", "base")
	for _, names := range [][]string{{"lab"}, {"lab", "bitmap", "kunit"}} {
		if testing.Short() {
			break
		}
		b := triedBuild{out: filepath.Join(dir, strings.Join(names, "-")), options: "none yet"}
		if err := os.Mkdir(b.out, 0o700); err != nil {
			t.Fatal(err)
		}
		var fragments []kconfig.Fragment
		for _, name := range append([]string{"common", tryArch.Name}, names...) {
			f, err := tables.fragment(name)
			if err != nil {
				t.Fatal(err)
			}
			fragments = append(fragments, f)
		}
		x.command("", x.make(b, "tinyconfig")...)
		tiny, err := os.ReadFile(filepath.Join(b.out, ".config"))
		if err != nil {
			t.Fatal(err)
		}
		b.config = string(kconfig.Append(tiny, kconfig.Merge(fragments, origin.Version)))
		if len(names) > 1 {
			b.config += moreOptions
		}
		x.builds = append(x.builds, b)
	}
	return x
}

// moreOptions are for files that the lab's kernels do not have: the confidential
// guest's, and Debian's Secure Boot.
const moreOptions = `CONFIG_CPU_SUP_AMD=y
CONFIG_EFI=y
CONFIG_EFI_STUB=y
CONFIG_AMD_MEM_ENCRYPT=y
CONFIG_LOCK_DOWN_IN_EFI_SECURE_BOOT=y
`

// tryArch is the architecture for which the series are compiled.
var tryArch = arch.Get("x86_64")

func (x *tried) make(b triedBuild, args ...string) []string {
	prefix := ""
	if !tryArch.Native() {
		prefix = tryArch.CrossPrefix
	}
	all := []string{"make", "-s", "-C", x.tree, "O=" + b.out, "ARCH=" + tryArch.Make, "CROSS_COMPILE=" + prefix, fmt.Sprintf("-j%d", runtime.NumCPU())}
	if _, err := exec.LookPath("ccache"); err == nil {
		all = append(all, "CC=ccache "+prefix+"gcc", "HOSTCC=ccache gcc")
	}
	return append(all, args...)
}

// command runs a program and returns what it prints.
func (x *tried) command(dir string, argv ...string) string {
	x.t.Helper()
	out, err := x.try(dir, argv...)
	if err != nil {
		x.t.Fatalf("%v: %v: %s", argv, err, out[max(0, len(out)-3000):])
	}
	return out
}

func (x *tried) try(dir string, argv ...string) (string, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.org")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// begin brings the tree back to the source, gives git the files that the patches
// change, as copies, and compiles them as they are.
func (x *tried) begin(patches []patchset.Patch) {
	x.t.Helper()
	x.try(x.tree, "git", "am", "--abort")
	x.command(x.tree, "git", "reset", "-q", "--hard", "base")
	x.touched = nil
	for _, p := range patches {
		write(x.t, x.mail, string(p.Data))
		for line := range strings.Lines(x.command(x.tree, "git", "apply", "--numstat", x.mail)) {
			name := strings.TrimSpace(line[strings.LastIndexByte(line, '\t')+1:])
			if strings.HasSuffix(name, ".c") && !slices.Contains(x.touched, name) {
				x.touched = append(x.touched, name)
			}
			file := filepath.Join(x.tree, name)
			if info, err := os.Lstat(file); err == nil && info.Mode()&os.ModeSymlink != 0 {
				x.command("", "cp", "--remove-destination", filepath.Join(x.origin.Root, name), file)
				x.command(x.tree, "git", "add", "-f", "--", name)
			}
		}
	}
	x.command(x.tree, "git", "commit", "-q", "--allow-empty", "-m", "as it is")
	x.command(x.tree, "git", "tag", "-f", "base")
	for _, w := range x.compile() {
		x.complaints[w] = true
	}
}

// patch applies a patch, checks it, and compiles what the order changes.
func (x *tried) patch(series string, p patchset.Patch) {
	x.t.Helper()
	write(x.t, x.mail, string(p.Data))
	if out, err := x.try(x.tree, "git", "am", "-q", "--keep-cr", x.mail); err != nil {
		x.t.Fatalf("%s/%s: git am: %v: %s", series, p.Name, err, out)
	}
	// What it says of new files and of commits needs a maintainer, or mainline's history.
	out, err := x.try(x.tree, "perl", "scripts/checkpatch.pl", "--strict", "--quiet", "--show-types", "--ignore", "FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID", x.mail)
	if err != nil {
		x.t.Errorf("%s/%s: checkpatch: %v: %s", series, p.Name, err, out)
	}
	for _, w := range x.compile() {
		if known := repeated[series+"/"+p.Name]; known != "" && strings.HasSuffix(w, known) {
			x.complaints[w] = true // patches on top that touch the file have it again
		}
		if !x.complaints[w] {
			x.t.Errorf("%s/%s: W=1: %s", series, p.Name, w)
		}
	}
}

// repeated are warnings that the posted series causes, and that our copy of it keeps
// (TestPostedSuiteForReal).
var repeated = map[string]string{
	"posted/0002-lockdown-test-as-the-bitmap-series-posted-in-2025-di.patch": "warning: no previous prototype for 'lock_kernel_down' [-Wmissing-prototypes]",
}

var (
	warningLine = regexp.MustCompile(`(?i)\b(warning|error):`)
	lineNumbers = regexp.MustCompile(`:\d+(:\d+)?`)
	// ccache repeats what the compiler said in another locale.
	quotes = strings.NewReplacer("‘", "'", "’", "'")
)

// compile compiles what the order changes, with W=1, and returns the warnings, without
// the numbers of lines.
func (x *tried) compile() (list []string) {
	x.t.Helper()
	options := x.options()
	compiled := map[string]bool{}
	for i := range x.builds {
		b := &x.builds[i]
		if b.options != options {
			write(x.t, filepath.Join(b.out, ".config"), b.config)
			x.command("", x.make(*b, "olddefconfig")...)
			b.options = options
		}
		targets := x.targets(*b, compiled)
		if len(targets) == 0 {
			continue
		}
		out, err := x.try("", x.make(*b, append([]string{"W=1"}, targets...)...)...)
		if err != nil {
			x.t.Errorf("make %v: %v: %s", targets, err, firstError(out))
		}
		for line := range strings.Lines(out) {
			if warningLine.MatchString(line) {
				list = append(list, quotes.Replace(strings.TrimSpace(lineNumbers.ReplaceAllString(line, ""))))
			}
		}
	}
	for name, ok := range compiled {
		if !ok {
			x.t.Errorf("%s is compiled with no configuration", name)
		}
	}
	return list
}

// firstError is the first line of make's output with an error, or its end.
func firstError(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "error:") {
			return line
		}
	}
	return out[max(0, len(out)-1000):]
}

// options is what is in the Kconfig files that git has.
func (x *tried) options() string {
	x.t.Helper()
	var list []string
	for line := range strings.Lines(x.command(x.tree, "git", "ls-tree", "-r", "HEAD")) {
		if strings.Contains(line, "Kconfig") {
			list = append(list, line)
		}
	}
	return strings.Join(list, "")
}

// targets are the directories of the files that the order changes, which have what the
// configuration has, or of large directories the objects that it has. compiled notes
// the files, and whether they are compiled.
func (x *tried) targets(b triedBuild, compiled map[string]bool) (list []string) {
	x.t.Helper()
	config, err := kconfig.ReadFile(filepath.Join(b.out, ".config"))
	if err != nil {
		x.t.Fatal(err)
	}
	for _, name := range x.touched {
		if _, err := os.Stat(filepath.Join(x.tree, name)); err != nil || strings.HasPrefix(name, "scripts/") || strings.HasPrefix(name, "tools/") {
			continue
		}
		target := strings.TrimSuffix(name, ".c") + ".o"
		dir := filepath.Dir(name)
		if all, _ := filepath.Glob(filepath.Join(x.tree, dir, "*")); len(all) <= 12 {
			target = dir + "/"
		} else {
			text, _ := os.ReadFile(filepath.Join(x.tree, dir, "Makefile"))
			m := regexp.MustCompile(`(?m)^obj-\$\((CONFIG_\w+)\)\s*[+:]?=.*\b` + regexp.QuoteMeta(filepath.Base(target))).FindSubmatch(text)
			compiled[name] = compiled[name] || m == nil || config.On(string(m[1]))
			if m != nil && !config.On(string(m[1])) {
				continue
			}
		}
		if !slices.Contains(list, target) {
			list = append(list, target)
		}
	}
	return list
}

func TestOrders(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tables.Bases() {
		base, _ := tables.Base(name)
		version := strings.TrimPrefix(name, "debian-") + ".117"
		got := orders(tables, base, version)
		t.Logf("%s: %q", version, got)
		if len(got) == 0 || !slices.ContainsFunc(got, func(o []string) bool { return slices.Contains(o, "lab") }) {
			t.Errorf("%s: no order has the lab's series: %q", name, got)
		}
	}
}
