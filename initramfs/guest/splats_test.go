package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/initramfs/guest/klog"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
)

// What the kernel logged until a state is in that state, and what is left of a report
// that was lost is in the last one.
func TestCellSendsSplats(t *testing.T) {
	for _, logged := range []bool{false, true} {
		l := &lab{counts: true, left: []string{"lost"}}
		if logged {
			l.pending = []klog.Record{{Text: "BUG: early"}, {Text: "BUG: not the kernel's", User: true}}
		}
		var in, out bytes.Buffer
		_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Upstream, Probes: []string{"free/x"}})
		if err := l.run(&out).answer(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := guestproto.ReadFrames(&out, func(f guestproto.Frame) error {
			if f.State != nil && len(f.State.Splats) > 0 {
				got = append(append(got, f.State.When), f.State.Splats...)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		want := []string{guestproto.WhenEnd, "lost"}
		if logged {
			want = []string{guestproto.WhenBoot, "BUG: early"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
