package callsites

import (
	"strings"
	"testing"
)

const systemMap = `0000000000000000 A fixed_percpu_data
0000000000000010 A init_per_cpu__irq
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000000 W weak_first
ffffffff81000000 T first
ffffffff81000040 T __do_twice
ffffffff81000040 t ___do_twice
ffffffff81000040 T __twice_start
ffffffff81000080 t same
ffffffff810000a0 t other
ffffffff810000c0 t same
ffffffff81000100 T _etext
ffffffff81000100 T after_etext
ffffffff81200000 D data
ffffffff81300000 T _sinittext
ffffffff81300000 t init_one
ffffffff81300010 t same
ffffffff81300040 T _einittext
`

func TestKallsymsName(t *testing.T) {
	k, err := ParseSystemMap([]byte(systemMap))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		addr uint64
		want string
	}{
		{0xffffffff81000005, "first+0x5/0x40"},      // _stext and _text begin with an underscore, weak_first is weak
		{0xffffffff81000041, "__do_twice+0x1/0x40"}, // fewer underscores than one, and no script's like the other
		{0xffffffff8100009f, "same,1+0x1f/0x20"},
		{0xffffffff810000a0, "other+0x0/0x20"},
		{0xffffffff810000ff, "same,2+0x3f/0x40"}, // up to _etext
		{0xffffffff81300008, "init_one+0x8/0x10"},
		{0xffffffff81300020, "same,3+0x10/0x30"},
		{0xffffffff81000100, ""},
		{0xffffffff80ffffff, ""},
		{0xffffffff81200000, ""},
		{0xffffffff81300040, ""},
		{0, ""},
	} {
		if got, ok := k.Name(c.addr); got != c.want || ok != (c.want != "") {
			t.Errorf("%#x is %q, %v; want %q", c.addr, got, ok, c.want)
		}
	}
}

func TestParseSystemMapFails(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "no _etext"},
		{"ffffffff81000000 T\n", "is not ADDRESS TYPE NAME"},
		{"here T _etext\n", "invalid syntax"},
	} {
		if _, err := ParseSystemMap([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v; want %q", c.text, err, c.want)
		}
	}
}
