package kernels

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/internal/testutil/elftest"
	"github.com/ldlab/ldlab/kernels/internal/progress"
)

// A fake kernel tree: its Makefile speaks kbuild's language, and its "image"
// is an arm64 header and the sources one after the other. What the builder
// does with it is what it does with a kernel, in milliseconds.
const fakeMakefile = `VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 1
EXTRAVERSION =
B := $(O)
objects := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard *.c */*.c)))

tinyconfig:
	@mkdir -p $(B)
	@echo CONFIG_TINY=y > $(B)/.config
olddefconfig:
	@grep -v DROPPED $(B)/.config > $(B)/.config.new; mv $(B)/.config.new $(B)/.config
Image: $(B)/arch/arm64/boot/Image
$(B)/arch/arm64/boot/Image: $(objects) $(B)/.config
	@mkdir -p $(@D)
	@echo '  OBJCOPY $@'
	@(printf 'MZ'; head -c 54 /dev/zero; printf 'ARM\144'; head -c 4 /dev/zero; cat $(objects)) > $@
	@cp vmlinux.elf $(B)/vmlinux; cp vmlinux.o.elf $(B)/vmlinux.o; cp map.txt $(B)/System.map
modules:
	@mkdir -p $(B)/lib
	@cp vmlinux.o.elf $(B)/lib/ldlab_nop.ko
	@echo lib/ldlab_nop.o > $(B)/modules.order
$(B)/%.o: %.c
	@mkdir -p $(@D)
	@if grep -q SLOW $<; then echo part > $@; fi
	@echo '  CC      $<'
	@! grep -n BROKEN $< /dev/null | sed 's/BROKEN/ error: broken/' | grep error || exit 1
	@if grep -q SLOW $<; then sleep 600; fi
	@if grep -q FULL $<; then echo 'fatal error: No space left on device'; exit 1; fi
	@cp $< $@
.DELETE_ON_ERROR:
`

var fakeTree = map[string]string{
	"Makefile": fakeMakefile, "Kconfig": "config DROPPED\n\tbool \"Dropped\"\n\tdepends on NOTHING\n",
	"a.c": "a\n", "b/b.c": "b\n", "c.c": "c\n",
	"vmlinux.elf": string(fakeVmlinux(elf.ET_EXEC).Bytes()), "vmlinux.o.elf": string(fakeVmlinux(elf.ET_REL).Bytes()),
	"map.txt": "00001000 T _stext\n00001000 T security_locked_down\n00001004 t caller\n0000100c T _etext\n",
}

// fakeVmlinux has one call of security_locked_down(): arm64's ret; bl to it; ret.
func fakeVmlinux(kind elf.Type) elftest.File {
	f := elftest.File{Machine: elf.EM_AARCH64, Type: kind, Sections: []elftest.Section{
		{Name: ".text", Flags: elftest.Text, Data: []byte("\xc0\x03\x5f\xd6\xff\xff\xff\x97\xc0\x03\x5f\xd6")},
	}}
	f.Symbols = []elftest.Symbol{
		{Name: "security_locked_down", Type: elf.STT_FUNC, Section: 1, Size: 4},
		{Name: "caller", Type: elf.STT_FUNC, Section: 1, Value: 4, Size: 8},
	}
	if kind == elf.ET_REL {
		f.Sections[0].Relocs = []elftest.Reloc{{Offset: 4, Kind: uint32(elf.R_AARCH64_CALL26), Symbol: 1}}
		return f
	}
	f.Sections[0].Addr = 0x1000
	for i := range f.Symbols {
		f.Symbols[i].Value += 0x1000
	}
	return f
}

// A bench is a builder of fake kernels.
type bench struct {
	t      *testing.T
	tables fstest.MapFS
	cache  string
	arch   *arch.Arch

	mu     sync.Mutex
	events []Event
}

// newBench makes a bench whose base is the source given, with tools that do
// nothing in PATH.
func newBench(t *testing.T, source string) *bench {
	t.Helper()
	testutil.RequireProgram(t, "make")
	b := &bench{t: t, cache: t.TempDir()}
	bin := t.TempDir()
	for _, a := range arch.All() {
		if a.Targets[0] == "Image" {
			b.arch = a
		}
	}
	script := "#!/bin/sh\necho fake 1.0\n"
	for _, r := range Requirements(b.arch) {
		switch r.Name {
		case "make", "tar", "xz", "apt-get", "dpkg-deb":
			continue
		}
		if !strings.Contains(r.Name, "/") && !strings.HasSuffix(r.Name, ".h") {
			fakeTool(t, bin, r.Name, script)
		}
	}
	for _, name := range []string{"ld", b.arch.CrossPrefix + "ld"} {
		fakeTool(t, bin, name, script)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	b.tables = fstest.MapFS{
		"bases/b.toml":                      {Data: []byte("source = \"" + source + "\"\nversions = \">= 6.12, < 6.13\"")},
		"table/plain.toml":                  {Data: []byte("base = \"b\"\ninterface = \"upstream\"")},
		"table/patched.toml":                {Data: []byte("base = \"b\"\ninterface = \"bitmap\"\nseries = [\"s\"]\nconfig = [\"c\"]")},
		"table/later.toml":                  {Data: []byte("base = \"b\"\ninterface = \"bitmap\"\nseries = [\"later\"]")},
		"config/common.config":              {Data: []byte("CONFIG_COMMON=y # reason\n")},
		"config/c.config":                   {Data: []byte("CONFIG_SECURITY_LOCKDOWN_REASONS=y # reason\n")},
		"patches/s/1.patch":                 {Data: []byte(strings.ReplaceAll(addPatch, "int x;", "new"))},
		"patches/s/2.patch":                 {Data: []byte("--- a/c.c\n+++ b/c.c\n@@ -1 +1 @@\n-c\n+patched\n")},
		"patches/s/series.toml":             {Data: []byte("versions = \"= 6.12.1\"")},
		"patches/later/1.patch":             {Data: []byte(addPatch)},
		"patches/later/series.toml":         {Data: []byte("versions = \">= 6.13\"")},
		"config/" + b.arch.Name + ".config": {Data: []byte("CONFIG_ARCH=y # reason\n")},
	}
	return b
}

func fakeTool(t *testing.T, bin, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) builder() *Builder {
	b.t.Helper()
	tables, err := load(b.tables)
	if err != nil {
		b.t.Fatal(err)
	}
	return &Builder{Cache: b.cache, Jobs: 2, Tables: tables, Events: func(e Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, e)
	}}
}

func (b *bench) spec(kernel string) Spec {
	b.t.Helper()
	k, ok := b.builder().Tables.Kernel(kernel)
	if !ok {
		b.t.Fatalf("no kernel %s", kernel)
	}
	return Spec{Kernel: k, Arch: b.arch}
}

// build builds and gives what follows the header in the image, its lines
// joined by spaces.
func (b *bench) build(spec Spec) (Built, string) {
	b.t.Helper()
	built, err := b.builder().Build(context.Background(), spec)
	if err != nil {
		b.t.Fatal(err)
	}
	return built, content(b.t, built)
}

func content(t *testing.T, built Built) string {
	t.Helper()
	data, err := os.ReadFile(built.Image)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(data[64:])), " ")
}

// fails builds and checks that the error is one line with the words.
func (b *bench) fails(ctx context.Context, spec Spec, words ...string) error {
	b.t.Helper()
	_, err := b.builder().Build(ctx, spec)
	if err == nil {
		b.t.Fatalf("no error; want %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
			b.t.Errorf("error %q lacks %q, or is more than a line", err, w)
		}
	}
	return err
}

// compiled lists the sources that the build of the result compiled, sorted.
func compiled(t *testing.T, built Built) string {
	t.Helper()
	log, err := os.ReadFile(built.Files["build.log"])
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range strings.Split(string(log), "\n") {
		if name, ok := strings.CutPrefix(f, "  CC      "); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names) // make runs two at a time
	return strings.Join(names, " ")
}

// saw reports whether an event of the phase had the words.
func (b *bench) saw(p progress.Phase, words string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Phase == p && strings.Contains(fmt.Sprint(e.Message), words) {
			return true
		}
	}
	return false
}
