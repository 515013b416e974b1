package lockdown

import (
	"slices"
	"strings"
	"testing"
)

func TestKernelReasons(t *testing.T) {
	var unknown KernelReasons
	if len(unknown.List()) != len(reasons) || !unknown.Has("kcore") || unknown.Unknown() != nil || unknown.Lacking() != nil || unknown.Contradictions() != nil {
		t.Error("reasons that are not known are not those of the table")
	}
	k := KernelReasons{{"killswitch", Integrity, "use of killswitch"}, {"dev_mem", Confidentiality, "mem"}, {"kcore", Confidentiality, "/proc/kcore access"}}
	if l := k.List(); len(l) != 3 || l[0] != k[0] || l[1] != reasons[1] {
		t.Errorf("the lab's own table does not count: %+v", l)
	}
	if got := k.Unknown(); len(got) != 1 || got[0].Reason != "killswitch" {
		t.Errorf("%+v", got)
	}
	if got := k.Lacking(); len(got) != len(reasons)-2 || slices.Contains(got, "kcore") {
		t.Errorf("%q", got)
	}
	got := strings.Join(k.Contradictions(), "; ")
	want := `reason dev_mem is of level confidentiality in this kernel, and the lab has integrity; reason dev_mem is "mem" in this kernel, and the lab has "/dev/mem,kmem,port"`
	if got != want {
		t.Errorf("%s", got)
	}
	integrity := Setting{Level: Integrity}
	if !k.Locks(integrity, "killswitch") || k.Locks(Setting{}, "killswitch") || k.Locks(integrity, "kcore") {
		t.Error("a level does not lock its reasons")
	}
	if got := k.Beyond(Setting{Reasons: []Reason{"kcore", "msr"}}); !slices.Equal(got, []Reason{"msr"}) {
		t.Errorf("%q", got)
	}
}

// The model of a kernel lists the kernel's reasons, takes no other, and locks with a
// level also those that the lab does not know.
func TestModelOfKernel(t *testing.T) {
	k := KernelReasons{{"killswitch", Integrity, "k"}, {"dev_mem", Integrity, "m"}, {"kcore", Confidentiality, "c"}}
	m := k.NewModel(Bitmap, Setting{Level: Integrity})
	read := func(file string) string { return m.Answer(Op{Call: "read", File: file}).Data }
	if got := read(ReasonsFile); got != "killswitch locked\ndev_mem locked\nkcore open\n" {
		t.Errorf("%q", got)
	}
	m = k.NewModel(Bitmap, Setting{Reasons: []Reason{"dev_mem"}})
	if got := read(LevelFile); got != "[none] integrity confidentiality\n" {
		t.Errorf("%q", got)
	}
	write := func(data string) string { return m.Answer(Op{Call: "write", File: ReasonsFile, Data: data}).Err }
	if got := write("msr"); got != "EINVAL" {
		t.Errorf("it locked a reason that it does not have: %q", got)
	}
	if got := write("killswitch") + read(LevelFile); got != "[none] integrity confidentiality\n" {
		t.Errorf("%q", got)
	}
	m.Answer(Op{Call: "write", File: LevelFile, Data: "integrity"})
	if got := read(ReasonsFile) + read(LevelFile); got != "killswitch locked\ndev_mem locked\nkcore open\nnone [integrity] confidentiality\n" {
		t.Errorf("%q", got)
	}
}
