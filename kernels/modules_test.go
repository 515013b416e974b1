package kernels

import (
	"bytes"
	"os"
	"testing"

	"github.com/ldlab/ldlab/kernels/build"
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
	plain := read(build.ModuleUnsigned)
	signed, wrong := read(build.ModuleSigned), read(build.ModuleWrongKey)
	for _, s := range [][]byte{signed, wrong} {
		if !bytes.HasPrefix(s, plain) || !bytes.HasSuffix(s, []byte("~Module signature appended~\n")) {
			t.Errorf("%d bytes are not %d with a signature", len(s), len(plain))
		}
	}
	if bytes.Equal(signed, wrong) {
		t.Error("the untrusted signature is the lab's")
	}
	if file, ok := built.Files[build.MmiotraceSigned]; ok {
		t.Errorf("%s, and no such module", file)
	}
	if sites, err := built.Sites(); err != nil || len(sites.Present) != 2 || sites.Present[1].Name != "caller+0x4/0xffc [ldlab_nop]" {
		t.Errorf("sites %+v, %v", sites.Present, err)
	}

	if !built.HasConfig("CONFIG_LDLAB_MODULE") || built.HasConfig("CONFIG_NONE") {
		t.Error("what is on is not told")
	}

	again, _ := b.build(b.spec("plain"))
	for _, name := range []string{build.ModuleUnsigned, build.ModuleSigned, build.ModuleWrongKey} {
		if file, ok := again.Files[name]; ok {
			t.Errorf("%s is from the last kernel", file)
		}
	}
	if sites, err := again.Sites(); err != nil || len(sites.Present) != 1 {
		t.Errorf("sites %+v, %v", sites.Present, err)
	}
}
