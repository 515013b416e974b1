// Package house has no code: its test keeps the arrows between the rooms.
package house

import (
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ldlab/ldlab"

// rooms lists what of ours each room may import; it is the only copy. A package
// belongs to the longest name here that its path begins with.
var rooms = map[string][]string{
	"internal/cache":            {},
	".":                         {},
	"lockdown":                  {},
	"internal/about":            {"initramfs", "findings", "kernels", "matrix", "scenarios"},
	"internal/arch":             {},
	"internal/hostcpu":          {},
	"internal/hostmem":          {},
	"internal/house":            {},
	"internal/debugger":         {"internal/guestproto/vport"},
	"internal/ktap":             {},
	"internal/pace":             {},
	"internal/packaging":        {},
	"internal/proc":             {},
	"internal/testutil":         {},
	"scenarios":                 {"internal/debugger", "lockdown", "scenarios/internal"},
	"scenarios/internal":        {"internal/debugger", "internal/ktap", "lockdown"},
	"internal/guestproto/vport": {},
	"internal/guestproto":       {"internal/guestproto/vport", "lockdown", "scenarios"},
	"initramfs":                 {".", "internal/arch", "internal/cache", "internal/proc"},
	"initramfs/guest/footprint": {"lockdown"},
	"initramfs/guest/klog":      {"initramfs/guest/klog"},
	"initramfs/guest":           {"initramfs/guest/footprint", "initramfs/guest/klog", "internal/guestproto", "internal/guestproto/vport", "lockdown", "scenarios"},
	"kernels":                   {"internal/arch", "internal/cache", "kernels/build", "kernels/image", "kernels/internal", "kernels/kconfig", "kernels/modules", "kernels/patchset", "kernels/source", "lockdown"},
	"kernels/build":             {"internal/arch", "internal/cache", "internal/proc", "kernels/image", "kernels/internal", "kernels/kconfig", "kernels/patchset", "kernels/source", "lockdown"},
	"kernels/modules":           {"internal/arch", "internal/proc", "kernels/internal"},
	"kernels/image":             {"internal/arch", "kernels/internal", "kernels/kconfig", "lockdown"},
	"kernels/internal":          {"internal/arch", "lockdown"},
	"kernels/kconfig":           {"kernels/internal", "kernels/patchset"},
	"kernels/patchset":          {"kernels/internal"},
	"kernels/source":            {"internal/cache", "internal/proc", "kernels/internal", "kernels/patchset"},
	"vm":                        {"internal/arch", "internal/guestproto/vport", "internal/pace", "internal/proc", "vm/qmp"},
	"vm/internal/vmtest":        {"internal/arch", "internal/pace", "internal/testutil"},
	"vm/internal":               {"internal/arch", "internal/guestproto/vport"},
	"vm/qmp":                    {},
	"vm/template":               {"internal/cache", "internal/pace", "vm", "vm/qmp"},
	"internal/strictyaml":       {},
	"internal/history":          {"matrix"},
	"internal/nightly":          {"internal/history", "internal/results", "matrix", "matrix/diff", "matrix/known", "report", "report/charts", "report/page", "report/words"},
	"matrix":                    {"internal/guestproto", "internal/ktap", "lockdown", "matrix/rows", "scenarios"},
	"matrix/rows":               {"lockdown", "scenarios"},
	"matrix/known":              {"internal/strictyaml", "lockdown", "matrix", "scenarios"},
	"findings":                  {"internal/plan", "internal/strictyaml", "lockdown", "matrix", "scenarios"},
	"report":                    {"findings", "internal/history", "internal/ktap", "lockdown", "matrix", "report/formats", "report/page", "report/words", "scenarios"},
	"report/formats":            {"lockdown", "matrix", "report/words", "scenarios"},
	"report/page":               {"internal/history", "lockdown", "matrix", "report/charts", "report/words", "scenarios"},
	"report/charts":             {"internal/history", "matrix", "report/words"},
	"report/terminal":           {"matrix", "report/words"},
	"report/words":              {"matrix", "scenarios"},
	"internal/pictures":         {"internal/pictures"},
	"internal/plan":             {"internal/arch", "kernels", "lockdown", "matrix", "scenarios"},
	"internal/results":          {"internal/guestproto", "lockdown", "matrix", "scenarios"},
	"internal/bundle":           {},
	"internal/fleet":            {"internal/arch", "internal/bundle", "internal/cache", "internal/engine", "internal/plan", "internal/results", "kernels", "matrix", "scenarios"},
	"internal/gen":              {},
	"internal/nested/host":      {},
	"internal/nested":           {"internal/arch", "internal/proc", "kernels/modules"},
	"internal/sourcemutants":    {"internal/engine", "internal/plan", "kernels", "lockdown", "matrix", "scenarios"},
	"internal/explain":          {"findings", "kernels", "lockdown", "matrix", "scenarios"},
	"internal/repro":            {"findings", "internal/engine", "internal/plan", "internal/results", "kernels", "lockdown", "matrix"},
	"internal/engine":           {"*"},
	"internal/review":           {"internal/arch", "internal/engine", "internal/guestproto", "internal/ktap", "internal/plan", "internal/proc", "kernels", "lockdown", "matrix"},
	"cmd/ldlab":                 {"*"},
	"cmd/ldlab/lists":           {"findings", "internal/arch", "internal/plan", "kernels", "lockdown", "matrix", "scenarios"},
}

// pure lists the rooms that may not touch the world.
var pure = []string{"internal/plan", "lockdown", "matrix", "matrix/known", "kernels/patchset"}

var worldly = []string{"os", "os/exec", "net", "syscall", "golang.org/x/sys/unix"}

// TestImports looks at every package for both architectures in process: a
// test that shells out to "go list" is cached by "go test" and misses changes.
func TestImports(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "out" || name == "bin") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != root {
			return filepath.SkipDir // a module of its own
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, goarch := range []string{"amd64", "arm64"} {
			ctx := build.Default
			ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = "linux", goarch, false
			p, err := ctx.ImportDir(path, 0)
			if _, none := err.(*build.NoGoError); none {
				continue
			}
			if err != nil {
				t.Errorf("read %s for %s: %v", rel, goarch, err)
				continue
			}
			checked++
			checkPackage(t, filepath.ToSlash(rel), goarch, p.Imports)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 2*len(rooms)-2 { // internal/house has only this test
		t.Errorf("looked at %d packages: rooms are missing", checked)
	}
}

func checkPackage(t *testing.T, pkg, goarch string, imports []string) {
	t.Helper()
	room := roomOf(pkg)
	if room == "" {
		t.Errorf("%s is in no room: add it to the table in this file", pkg)
		return
	}
	for _, imp := range imports {
		if slices.Contains(pure, room) && slices.Contains(worldly, imp) {
			t.Errorf("%s (%s) is pure and imports %s", pkg, goarch, imp)
		}
		if imp != module && !strings.HasPrefix(imp, module+"/") {
			continue
		}
		if imp == module+"/internal/testutil" && !slices.Contains(rooms[room], "internal/testutil") {
			t.Errorf("%s (%s) imports %s outside of its tests", pkg, goarch, imp)
		}
		other := roomOf(strings.TrimPrefix(strings.TrimPrefix(imp, module), "/"))
		if other != room && !slices.Contains(rooms[room], other) && !slices.Contains(rooms[room], "*") {
			t.Errorf("%s (%s) imports %s: room %s may not import room %s", pkg, goarch, imp, room, other)
		}
	}
}

func roomOf(pkg string) string {
	if pkg == "" || pkg == "." {
		return "."
	}
	best := ""
	for room := range rooms {
		if (pkg == room || strings.HasPrefix(pkg, room+"/")) && len(room) > len(best) {
			best = room
		}
	}
	return best
}

// TestRoomsAreReal keeps the table from naming what is gone.
func TestRoomsAreReal(t *testing.T) {
	for room := range rooms {
		if fi, err := os.Stat(filepath.Join("../..", room)); err != nil || !fi.IsDir() {
			t.Errorf("room %s is in the table and not in the house", room)
		}
	}
}
