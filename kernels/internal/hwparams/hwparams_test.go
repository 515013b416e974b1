package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

// A driver, with everything that hides or imitates a declaration.
const driver = `/* module_param(comment_irq, int, 0); */
#define DECLARE(n) \
	module_param(n##_irq, int, 0); \
	module_param(body_irq, int, 0)
static const char *s = "module_param(string_irq, int, 0); /* \" ";
static char c = '"'; // module_param(line_irq, int, 0)
module_param(base, ulong, 0444);
MODULE_PARM_DESC(base, "I/O port, \"" "the <first>|"
		 __stringify(X) " one\n");
module_param_named(force_addr, force.addr[f(1, 2)], ushort, S_IRUGO | S_IWUSR);
module_param_array(irqs, int,
		   NULL, 0);
module_param_cb(port2, &ops, &port, 0600);
module_param_string(mem, buf, sizeof(buf), 0);
module_param(use_dma, bool, 0);
module_param(portable, int, 0);
module_param_hw(io, int, ioport, 0);
module_param_hw_named(irq, the.irq, int, irq, 0);
module_param_hw_array(irq2, int, irq, NULL, 0);
module_param_unknown(dma, int, 0);
`

func TestScan(t *testing.T) {
	var got []string
	for _, p := range scan("d.c", driver) {
		got = append(got, strings.Join([]string{p.Name, p.Type, p.HW, p.Mode, p.Desc}, "; "))
		if lines := strings.Split(driver, "\n"); !strings.Contains(lines[p.Line-1], p.Name) {
			t.Errorf("%s is not in line %d", p.Name, p.Line)
		}
	}
	want := []string{
		`base; ulong; ; 0444; I/O port, "the <first>| one`, "force_addr; ushort; ; S_IRUGO | S_IWUSR; ", "irqs; int; ; 0; ", "port2; ; ; 0600; ", "mem; ; ; 0; ",
		"use_dma; bool; ; 0; ", "portable; int; ; 0; ", "io; int; ioport; 0; ", "irq; int; irq; 0; ", "irq2; int; irq; 0; ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, text := range []string{"module_param(", "module_param(irq, int", "module_param(irq)", `module_param("`, "module_param('", "/* module_param", "#module_param\\", "module_param ("} {
		if p := scan("d.c", text); p != nil {
			t.Errorf("%q: %+v", text, p)
		}
	}
}

// TestRun: parameters that are declared to steer hardware, that hold yes or no, or
// whose names have no such word are not listed.
func TestRun(t *testing.T) {
	tree := fstest.MapFS{
		"Makefile":            {Data: []byte("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\n")},
		"drivers/a/d.c":       {Data: []byte(driver)},
		"Documentation/d.c":   {Data: []byte("module_param(irq, int, 0);")},
		"drivers/a/module.rs": {Data: []byte("module_param(irq, int, 0);")},
	}
	var out strings.Builder
	if err := run(tree, &out); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(out.String(), "|---|\n")
	want := "| **drivers/a/d.c** | | | |\n" +
		"| `base` (7) | ulong | 0444 | I/O port, \"the &lt;first>\\| one |\n" +
		"| `force_addr` (10) | ushort | S_IRUGO \\| S_IWUSR |  |\n| `irqs` (11) | int | 0 |  |\n| `port2` (13) |  | 0600 |  |\n| `mem` (14) |  | 0 |  |\n"
	if table != want {
		t.Errorf("got\n%s\nwant\n%s", table, want)
	}
	for _, text := range []string{"Linux 6.12.117 declares 10 parameters", "3 of them so (irq 2, ioport 1)", "the 5 below"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), text) {
			t.Errorf("%q lacks %q", out.String(), text)
		}
	}
	for _, missing := range []string{"Makefile", "drivers/a/d.c"} {
		less := fstest.MapFS{}
		for name, f := range tree {
			if name != missing {
				less[name] = f
			}
		}
		if err := run(less, &out); err == nil {
			t.Errorf("no error without %s", missing)
		}
	}
}
