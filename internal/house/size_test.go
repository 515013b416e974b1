package house

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a reader can take in: lines of a file, of a package without its tests, and of a
// function.
const (
	maxFile     = 450
	maxPackage  = 3000
	maxFunction = 60
)

// isTable reports whether a function may be long: the tables of a scenario, and the
// tables and steps of tests.
func isTable(file, function string) bool {
	return strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "scenarios/") && strings.HasSuffix(function, "Scenario")
}

// TestSizes: no file, package or function is too long, and only scenarios, which
// are tables, are a long package.
func TestSizes(t *testing.T) {
	root := os.DirFS("../..")
	packages := map[string]int{}
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() {
			if path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "out" || name == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		n := bytes.Count(text, []byte("\n"))
		if n > maxFile {
			t.Errorf("%s has %d lines, more than %d", path, n, maxFile)
		}
		if dir := filepath.Dir(path); dir != "scenarios" && !strings.HasSuffix(path, "_test.go") {
			packages[dir] += n
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, text, 0)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || isTable(path, fn.Name.Name) {
				continue
			}
			if n := files.Position(fn.End()).Line - files.Position(fn.Pos()).Line; n > maxFunction {
				t.Errorf("%s: %s has %d lines, more than %d", path, fn.Name.Name, n, maxFunction)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, n := range packages {
		if n > maxPackage {
			t.Errorf("%s has %d lines, more than %d", dir, n, maxPackage)
		}
	}
	if len(packages) < len(rooms)-2 { // scenarios, and this package of tests
		t.Errorf("looked at %d packages: rooms are missing", len(packages))
	}
}
