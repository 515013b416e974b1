package kernels

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/lockdown"
)

// Everything that is part of the program holds together: load checks that
// names name something; here is what it leaves to this test.
func TestTables(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(tables.Kernels()) == 0 {
		t.Fatal("no kernels")
	}
	for _, k := range tables.Kernels() {
		if k.Title == "" {
			t.Errorf("kernel %s has no title", k.Name)
		}
		base, _ := tables.Base(k.Base)
		for _, a := range arch.All() {
			if !k.On(a) {
				continue
			}
			if base.Steps[a.Name] == 0 {
				t.Errorf("base %s does not say how long a build for %s is", base.Name, a.Name)
			}
			if _, err := tables.fragment(a.Name); err != nil {
				t.Error(err)
			}
		}
	}
	for _, kind := range lockdown.Interfaces() {
		if !slices.ContainsFunc(tables.Kernels(), func(k Kernel) bool { return k.Interface == kind }) {
			t.Errorf("no kernel of kind %s", kind)
		}
	}
}

// Nothing lies in the tables that no kernel and no base uses.
func TestTablesUsed(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"config/common.config": true}
	for _, a := range arch.All() {
		used["config/"+a.Name+".config"] = true
	}
	for _, name := range tables.Bases() { // each can be given as NAME@BASE
		used["bases/"+name+".toml"] = true
		base, _ := tables.Base(name)
		for _, s := range base.Series {
			used["patches/"+s] = true
		}
	}
	for _, k := range tables.Kernels() {
		used["table/"+k.Name+".toml"] = true
		for _, c := range k.Config {
			used["config/"+c+".config"] = true
		}
		for _, s := range k.Series {
			used["patches/"+s] = true
		}
	}
	used["patches/history"] = true // findings has a test of its own for these
	err = fs.WalkDir(embedded, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if parts := strings.Split(name, "/"); parts[0] == "patches" && len(parts) > 2 {
			name = path.Join(parts[:2]...)
		}
		if !used[name] && path.Base(name) != "LICENSE" {
			t.Errorf("%s is used by no kernel", name)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A kernel on another base has a name of its own; on its own base it has not.
func TestKernelOnBase(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	own, _ := tables.Kernel("stock")
	for name, want := range map[string]string{
		"stock": "stock " + own.Base, "stock@" + own.Base: "stock " + own.Base, "stock@7.3": "stock@7.3 7.3", "stock@9.9": "", "none@6.1": "", "stock@": "",
	} {
		k, ok := tables.Kernel(name)
		if got := k.Name + " " + k.Base; ok != (want != "") || ok && got != want {
			t.Errorf("%s is %s, %v, want %q", name, got, ok, want)
		}
	}
}

func TestTablesRefuse(t *testing.T) {
	good := func() fstest.MapFS {
		return fstest.MapFS{
			"bases/b.toml":          {Data: []byte("source = \"apt:x\"\nversions = \">= 6.12\"")},
			"table/k.toml":          {Data: []byte("base = \"b\"\ninterface = \"upstream\"\nseries = [\"s\"]\nconfig = [\"c\"]")},
			"config/c.config":       {Data: []byte("CONFIG_X=y # reason\n")},
			"patches/s/1.patch":     {Data: []byte(addPatch)},
			"patches/s/series.toml": {Data: []byte("title = \"s\"\nversions = \"= 6.12\"")},
		}
	}
	if _, err := load(good()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, data, want string }{
		{"bases/b.toml", "source = \"apt:x\"\nvresions = \"\"", "read bases/b.toml: line 2: unknown key vresions"},
		{"bases/b.toml", "source = \"ftp:x\"", `parse source "ftp:x": unknown kind "ftp"`},
		{"bases/b.toml", "source = \"apt:x\"\nversions = \"6.12\"", `"6.12" has no operator`},
		{"bases/b.toml", "source = \"apt:x\"\nseries = [\"t\"]", `read bases/b.toml: unknown series "t"`},
		{"table/k.toml", "base = \"c\"\ninterface = \"upstream\"", `read table/k.toml: unknown base "c"`},
		{"table/k.toml", "base = \"b\"\ninterface = \"binary\"", `unknown interface "binary"`},
		{"table/k.toml", "base = \"b\"\ninterface = \"upstream\"\nseries = [\"t\"]", `unknown series "t"`},
		{"table/k.toml", "base = \"b\"\ninterface = \"upstream\"\nconfig = [\"d\"]", `unknown config fragment "d"`},
		{"table/k.toml", "base = \"b\"\ninterface = \"upstream\"\narches = [\"pdp11\"]", `unknown architecture "pdp11"`},
		{"table/k.toml", "base = [", "read table/k.toml: "},
		{"config/c.config", "CONFIG_X=y\n", `c.config:1: "CONFIG_X=y" is not CONFIG_X=value  # reason`},
		{"patches/s/series.toml", "name = \"s\"", "unknown key name"},
		{"patches/s/1.patch", "no patch", "parse patch 1.patch: no change in it"},
	} {
		fsys := good()
		fsys[c.file] = &fstest.MapFile{Data: []byte(c.data)}
		if _, err := load(fsys); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %q: %v, want %s", c.file, c.data, err, c.want)
		}
	}
}
