package diff

import (
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// timed is a table whose guests end after these times, and whose one probe takes them.
func timed(host matrix.Host, guests []time.Duration, probe []time.Duration) matrix.Table {
	t := matrix.Table{Kernel: "k", Arch: "x86_64", Rows: []matrix.TableRow{{Probe: "a/b"}}}
	for i := range guests {
		s := lockdown.Setting{Reasons: []lockdown.Reason{lockdown.Reasons()[i].Reason}, Via: lockdown.Boot}
		t.Columns = append(t.Columns, matrix.Column{Setting: s, Host: host, Tries: 1, Timing: []matrix.Phase{{Name: "end", MS: guests[i].Milliseconds()}}})
		t.Rows[0].Cells = append(t.Rows[0].Cells, matrix.Cell{Judgment: matrix.Judgment{Verdict: matrix.Open}, Observed: &scenarios.Observation{Duration: probe[i].Nanoseconds()}})
	}
	return t
}

func TestTimes(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	host := matrix.Host{QEMU: "QEMU 7.2", Accel: "tcg", CPU: "max", Why: "no KVM", Machine: "a"}
	same := host
	same.Why = "asked for"
	other := host
	other.Accel = "kvm"
	elsewhere := host
	elsewhere.Machine = ""
	short := []time.Duration{ms, ms, ms}
	for _, c := range []struct {
		name        string
		before, now matrix.Table
		want        string
	}{
		{"as before", timed(host, []time.Duration{s, s, s}, short), timed(same, []time.Duration{s, s, s}, short), ""},
		{"guests", timed(host, []time.Duration{2 * s, 2 * s, 9 * s}, short), timed(host, []time.Duration{4 * s, 4 * s, 2 * s}, short), "guests that boot 2s 4s 3"},
		{"ratio, and not floor", timed(host, []time.Duration{s, s, s}, short), timed(host, []time.Duration{2 * s, 2 * s, 2 * s}, short), ""},
		{"floor, and not ratio", timed(host, []time.Duration{9 * s, 9 * s, 9 * s}, short), timed(host, []time.Duration{12 * s, 12 * s, 12 * s}, short), ""},
		{"one outlier", timed(host, []time.Duration{s, s, s}, short), timed(host, []time.Duration{s, s, 60 * s}, []time.Duration{ms, s, ms}), ""},
		{"a probe", timed(host, []time.Duration{s, s, s}, []time.Duration{100 * ms, 100 * ms, 100 * ms}), timed(host, []time.Duration{s, s, s}, []time.Duration{350 * ms, 350 * ms, 350 * ms}), "a/b 100ms 350ms 3"},
		{"a short probe", timed(host, []time.Duration{s, s, s}, short), timed(host, []time.Duration{s, s, s}, []time.Duration{250 * ms, 250 * ms, 250 * ms}), ""},
		{"faster", timed(host, []time.Duration{9 * s, 9 * s, 9 * s}, short), timed(host, []time.Duration{s, s, s}, short), ""},
		{"other machine", timed(host, []time.Duration{s, s, s}, short), timed(other, []time.Duration{9 * s, 9 * s, 9 * s}, short), "the machines differ: a: QEMU 7.2, kvm, CPU max, before a: QEMU 7.2, tcg, CPU max"},
		{"other name", timed(elsewhere, []time.Duration{s, s, s}, short), timed(host, []time.Duration{9 * s, 9 * s, 9 * s}, short), "the machines differ: a: QEMU 7.2, tcg, CPU max, before a machine that is not known: "},
		{"two guests", timed(host, []time.Duration{s, s}, short), timed(host, []time.Duration{9 * s, 9 * s}, short), "fewer than 3 guests"},
	} {
		list, why := compareTimes(c.before, c.now, true)
		got := why
		for _, x := range list {
			got = strings.Join([]string{x.What, x.Before.String(), x.Now.String(), string(rune('0' + x.Of))}, " ")
		}
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	slow := timed(host, []time.Duration{9 * s, 9 * s, 9 * s}, short)
	if list, _ := compareTimes(timed(host, []time.Duration{s, s, s}, short), slow, false); len(list) != 0 {
		t.Errorf("guests with other probes are compared: %+v", list)
	}
	slow.Columns[0].Tries = 2
	if list, why := compareTimes(timed(host, []time.Duration{s, s, s}, short), slow, true); len(list) != 0 || why == "" {
		t.Errorf("a guest that ran twice is compared: %+v", list)
	}
	if d := (Diff{Slower: []Slowdown{{What: "a/b"}}}); d.Regressed() {
		t.Error("a slow machine is a regression")
	}
}

func TestGuests(t *testing.T) {
	setting := lockdown.Setting{Level: lockdown.Integrity}
	well := matrix.Column{Setting: setting, Tries: 1}
	lost, failed, none, bug, bug2 := well, well, well, well, well
	lost.End = matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Detail: "at 0x1234"}
	failed.End = matrix.End{Ending: matrix.FailedByLab, Detail: "no memory"}
	none.Tries = 0
	bug.Splats, bug2.Splats = []string{"WARNING: CPU: 0 PID: 12 at f+0x1"}, []string{"WARNING: CPU: 1 PID: 99 at f+0x1"}
	for _, c := range []struct {
		name        string
		before, now matrix.Column
		want        string
		worse       bool
	}{
		{"well", well, well, "", false},
		{"lost", well, lost, "lost: panic, before ended", true},
		{"lost again", lost, lost, "", false},
		{"well again", lost, well, "ended, before lost: panic", false},
		{"failed", well, failed, "lab failed, before ended", true},
		{"not run", well, none, "not run, before ended", true},
		{"bug", well, bug, "ended, before ended", true},
		{"the same bug", bug, bug2, "", false},
		{"no bug", bug, well, "", false},
	} {
		list := compareGuests(matrix.Table{Columns: []matrix.Column{c.before}}, matrix.Table{Columns: []matrix.Column{c.now}})
		got := ""
		for _, g := range list {
			got = g.Now + ", before " + g.Before
		}
		if got != c.want || (Diff{Guests: list}).Regressed() != c.worse {
			t.Errorf("%s: %q, regressed %v, want %q, %v", c.name, got, Diff{Guests: list}.Regressed(), c.want, c.worse)
		}
	}
}
