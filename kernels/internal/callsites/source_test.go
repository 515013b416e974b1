package callsites

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

func TestFile(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []lockdown.SourceSite
	}{
		{"a function", "int a(void)\n{\n\treturn 1;\n}\n\nstatic int b(struct file *f,\n\t     int n)\n{\n\tint ret;\n\n\tret = security_locked_down(LOCKDOWN_KCORE);\n}\n",
			[]lockdown.SourceSite{{File: "f.c", Function: "b", Line: 11, Reason: "kcore"}}},
		{"return type on a line of its own", "}\n\nstatic const struct proto *\nproto_of(enum id id, const struct prog *p)\n{\n\tcase 1:\n\t\treturn security_locked_down(LOCKDOWN_BPF_WRITE_USER) < 0 ?\n\t\t       NULL : security_locked_down(LOCKDOWN_KPROBES);\n}\n",
			[]lockdown.SourceSite{{File: "f.c", Function: "proto_of", Line: 7, Reason: "bpf_write_user"}, {File: "f.c", Function: "proto_of", Line: 8, Reason: "kprobes"}}},
		{"system call", "SYSCALL_DEFINE5(perf_event_open,\n\t\tstruct attr __user *, attr, int, cpu)\n{\n\terr = security_locked_down(LOCKDOWN_PERF);\n}\n",
			[]lockdown.SourceSite{{File: "f.c", Function: "__do_sys_perf_event_open", Line: 4, Reason: "perf"}}},
		{"compat system call", "COMPAT_SYSCALL_DEFINE1(x, int, y)\n{\n\tsecurity_locked_down(LOCKDOWN_PERF);\n}\n",
			[]lockdown.SourceSite{{File: "f.c", Function: "__do_compat_sys_x", Line: 3, Reason: "perf"}}},
		{"after a comment and a declaration", "int later(int);\n/* f() is (not) it */\nstatic int __init\nreal(void)\n{\n#ifdef X\nlabel:\n\tif (a &&\n\t    security_locked_down(\n\t\tLOCKDOWN_PERF))\n",
			[]lockdown.SourceSite{{File: "f.c", Function: "real", Line: 10, Reason: "perf"}}},
		{"an inner block", "void f(void)\n{\n\tif (x) {\n\t\tg({ 1; });\n\t}\n\tsecurity_locked_down(LOCKDOWN_MSR);\n}\n",
			[]lockdown.SourceSite{{File: "f.c", Function: "f", Line: 6, Reason: "msr"}}},
		{"text about it", "/* security_locked_down() and security_locked_down(what) */\nint security_locked_down(enum lockdown_reason what);\n", nil},
		{"nothing", "int x;\n", nil},
		{"in no function", "security_locked_down(LOCKDOWN_MSR);\n", []lockdown.SourceSite{{File: "f.c", Line: 1, Reason: "msr"}}},
	} {
		if got := File("f.c", []byte(c.text)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestSource(t *testing.T) {
	root := t.TempDir()
	call := "void f(void)\n{\n\tsecurity_locked_down(LOCKDOWN_MSR);\n}\n"
	for _, name := range []string{"z/b.c", "a.h", "a.c", "tools/a.c", "Documentation/a.c", ".git/a.c", "x/.hidden/a.c", "a.S", "x/tools/a.c"} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(call+call), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sites, err := Source(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sites {
		got = append(got, s.File)
	}
	if want := []string{"a.c", "a.c", "a.h", "a.h", "x/tools/a.c", "x/tools/a.c", "z/b.c", "z/b.c"}; !reflect.DeepEqual(got, want) || sites[1].Line != 7 {
		t.Errorf("found %v, want %v", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Source(ctx, root); err == nil {
		t.Error("cancelled, and no error")
	}
	if _, err := Source(t.Context(), filepath.Join(root, "none")); err == nil {
		t.Error("no tree, and no error")
	}
}
