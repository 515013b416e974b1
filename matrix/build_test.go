package matrix

import "testing"

func TestBuildRefusesStrangers(t *testing.T) {
	g := Guest{Kernel: "bitmap", Arch: "x86_64", Interface: "bitmap"}
	h := Header{Format: Format, Plan: []Guest{g}, Probes: []string{"devmem/open"}}
	if _, err := Build(h, []Result{{Guest: g}, {Guest: g}}); err == nil {
		t.Error("the same guest twice: no error")
	}
	stranger := g
	stranger.Kernel = "other"
	if _, err := Build(h, []Result{{Guest: stranger}}); err == nil {
		t.Error("a guest outside the plan: no error")
	}
}
