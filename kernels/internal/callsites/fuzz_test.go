package callsites

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

// FuzzModule reads anything as a module: a series may make the build produce
// what it likes. Sites that are found have a name as the kernel has, in order.
func FuzzModule(f *testing.F) {
	for _, c := range codes {
		data := module(c)
		f.Add(data.Bytes())
		f.Add(data.Bytes()[:200])
	}
	file := filepath.Join(f.TempDir(), "m.ko")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		sites, err := Module(file)
		if err != nil {
			return
		}
		for _, s := range sites {
			if !strings.HasSuffix(s.Name, " [m]") || !strings.Contains(s.Name, "+0x") || s.Module != "m" {
				t.Errorf("site %+v", s)
			}
		}
		again, err := Module(file)
		if err != nil || !slices.Equal(again, sites) {
			t.Errorf("%+v comes back as %+v, %v", sites, again, err)
		}
	})
}

// FuzzFile reads anything as a source file. Each call that is found stands in
// its line, and more text behind it changes nothing.
func FuzzFile(f *testing.F) {
	f.Add([]byte("int f(void)\n{\n\treturn security_locked_down(LOCKDOWN_MSR);\n}\n"))
	f.Add([]byte("SYSCALL_DEFINE1(x, int, y)\n{\n\tsecurity_locked_down(\n\tLOCKDOWN_KEXEC);\n}\n"))
	f.Add([]byte("\n{security_locked_down(LOCKDOWN_)"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sites := File("x.c", text)
		lines := bytes.Split(text, []byte("\n"))
		for _, s := range sites {
			if s.Line < 1 || s.Line > len(lines) || !bytes.Contains(lines[s.Line-1], []byte(")")) {
				t.Errorf("%+v does not stand there", s)
			}
			if !bytes.Contains(text, []byte(strings.TrimPrefix(strings.TrimPrefix(s.Function, "__do_compat_sys_"), "__do_sys_"))) {
				t.Errorf("%+v is in no such function", s)
			}
		}
		if more := File("x.c", append(bytes.Clone(text), "\nint g;\n"...)); !slices.Equal(more, sites) {
			t.Errorf("with more text %+v is %+v", sites, more)
		}
		if !slices.IsSortedFunc(sites, func(a, b lockdown.SourceSite) int { return a.Line - b.Line }) {
			t.Errorf("out of order: %+v", sites)
		}
	})
}

// FuzzSystemMap reads anything as a System.map. What is found of an address is
// before it.
func FuzzSystemMap(f *testing.F) {
	f.Add([]byte("00001000 T _stext\n00001000 T security_locked_down\n00001004 t caller\n0000100c T _etext\n"))
	f.Add([]byte("ffffffffffffffff T x\n0 t y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, errA := ParseSystemMap(data)
		b, errB := ParseSystemMap(append(bytes.TrimRight(data, "\n"), '\n'))
		if (errA == nil) != (errB == nil) || errA == nil && (a == nil || b == nil) {
			t.Errorf("%v and, with another end, %v", errA, errB)
		}
	})
}
