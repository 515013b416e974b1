package kernels

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Files made of modules come with those in the configuration, and do not stay
// when the next kernel in the tree has none.
func TestBuildModules(t *testing.T) {
	b := newBench(t, "dir:"+tree(t, fakeTree))
	b.tables["config/c.config"].Data = []byte("CONFIG_LDLAB_MODULE=m # reason\n")
	built, _ := b.build(b.spec("patched"))
	read := func(name string) []byte {
		data, err := os.ReadFile(built.Files[name])
		if err != nil {
			t.Error(err)
		}
		return data
	}
	plain := read(ModuleUnsigned)
	signed, wrong := read(ModuleSigned), read(ModuleWrongKey)
	for _, s := range [][]byte{signed, wrong} {
		if !bytes.HasPrefix(s, plain) || !bytes.HasSuffix(s, []byte("~Module signature appended~\n")) {
			t.Errorf("%d bytes are not %d with a signature", len(s), len(plain))
		}
	}
	if bytes.Equal(signed, wrong) {
		t.Error("the stranger's signature is the lab's")
	}
	if file, ok := built.Files[MmiotraceSigned]; ok {
		t.Errorf("%s, and no such module", file)
	}
	if sites, err := built.Sites(); err != nil || len(sites.Present) != 2 || sites.Present[1].Name != "caller+0x4/0xffc [ldlab_nop]" {
		t.Errorf("sites %+v, %v", sites.Present, err)
	}

	if !built.HasConfig("CONFIG_LDLAB_MODULE") || built.HasConfig("CONFIG_NONE") {
		t.Error("what is on is not told")
	}

	again, _ := b.build(b.spec("plain"))
	for _, name := range []string{ModuleUnsigned, ModuleSigned, ModuleWrongKey} {
		if file, ok := again.Files[name]; ok {
			t.Errorf("%s is from the last kernel", file)
		}
	}
	if sites, err := again.Sites(); err != nil || len(sites.Present) != 1 {
		t.Errorf("sites %+v, %v", sites.Present, err)
	}
}

func TestModules(t *testing.T) {
	w := &workTree{dir: t.TempDir()}
	if got, err := w.modules(); err != nil || got != nil {
		t.Errorf("before a build: %v, %v", got, err)
	}
	if err := os.MkdirAll(filepath.Dir(w.modulesOrder()), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, w.modulesOrder(), "lib/a.o\nfs/b-c.o\n")
	if got, err := w.modules(); err != nil || !slices.Equal(got, []string{"lib/a.ko", "fs/b-c.ko"}) {
		t.Errorf("%v, %v", got, err)
	}
}
