package guestproto

import (
	"bytes"
	"math"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// encoded is a message as vport.Write writes it.
func encoded(t testing.TB, msg vport.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := vport.Write(&b, msg); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// seeds are messages with every field of every type set.
func seeds(t testing.TB) []vport.Message {
	t.Helper()
	setting, err := lockdown.ParseSetting("dev_mem,kcore@runtime")
	if err != nil {
		t.Fatal(err)
	}
	op := lockdown.Op{Call: "write", File: lockdown.LevelFile, Data: "integrity\xff\x00", Err: "EPERM", At: 1, Same: true, Group: 2}
	check := scenarios.Check{Site: "f+0x1/0x2", Label: "/dev/mem,kmem,port", Comm: "ldp-0001", Checks: 2, Denials: 1}
	result := scenarios.Report{Outcome: scenarios.Denied, Errno: "EPERM", Call: "open() = EPERM", Why: "why", Effect: scenarios.Nothing, Look: "read() = 0", Stuck: true, Ops: []lockdown.Op{op}}
	return []vport.Message{
		&Request{Version: vport.Version, Interface: lockdown.Bitmap, Setting: setting, Probes: []string{"a/b", ""}, Scale: math.Pi, Timing: true, ActsOnly: true, Sequence: []lockdown.Op{op}, Races: []lockdown.Race{{Writers: []lockdown.RaceWriter{{File: lockdown.LevelFile, Data: "integrity", Act: "/dev/mem"}}, Watch: []string{"/proc/kcore"}, Make: "/x", Rounds: 1, Enough: 2}}, Mutant: "allow f+0x1/0x2"},
		&Request{Off: true},
		&Frame{Seq: 0, State: &State{When: WhenBoot, Release: "6.12", Version: "#1", Machine: "x86_64", Cmdline: "quiet\n", LSM: "lockdown", Level: "[none]\n", Reasons: "r", Counts: true, Checks: []scenarios.Check{check}, Log: []string{"l"}, Splats: []string{"BUG: s"}, Errors: []string{"e"}, Marks: []scenarios.Mark{{Name: MarkReady, NS: -1}}}},
		&Frame{Seq: 1, Observation: &scenarios.Observation{Probe: "a/b", Report: result, Comm: "ldp-0001", Log: []string{"l"}, Checks: []scenarios.Check{check}, Runs: 3, StartNS: 1, Duration: 2}},
		&Frame{Seq: 2, Op: &op},
		&Frame{Seq: 3, Error: "lock: EPERM"},
		&Frame{Seq: 3, End: &End{Observations: 1, Ops: 1}},
		&Frame{Seq: 4},
		&Frame{Seq: 5, Varied: &Varied{Probe: "a/b", Variants: []scenarios.Variant{{Args: "flags=1", Report: result}}}},
		&Frame{Seq: 6, Left: &Left{Probe: "a/b", Left: []string{"l"}}},
		&Frame{Seq: 7, Race: &lockdown.RaceReport{Rounds: 3, First: 2, Broken: 1, Example: "round 1", NS: 4, Error: "none"}},
		(*Report)(&result),
		&Varied{Probe: "a/b", Variants: []scenarios.Variant{{Args: "flags=1", Report: result}}},
	}
}

// FuzzMessages checks that a message has one encoding only: a decoded message
// is encoded to the same bytes, so no field is lost, added or changed.
func FuzzMessages(f *testing.F) {
	for _, msg := range seeds(f) {
		f.Add(encoded(f, msg))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, msg := range []vport.Message{new(Request), new(Frame), new(Report), new(Varied)} {
			r := bytes.NewReader(in)
			if vport.Read(r, msg) != nil {
				continue
			}
			read := in[:len(in)-r.Len()]
			if again := encoded(t, msg); !bytes.Equal(again, read) {
				t.Errorf("%T: read %x, which is written as %x", msg, read, again)
			}
		}
	})
}

// FuzzReadFrames checks that the frames of a complete stream are those that
// ReadFrames visited, in order, and the End that counts them.
func FuzzReadFrames(f *testing.F) {
	var stream []byte
	for _, msg := range seeds(f)[2:5] {
		stream = append(stream, encoded(f, msg)...)
	}
	f.Add(append(bytes.Clone(stream), encoded(f, &Frame{Seq: 3, End: &End{Observations: 1, Ops: 1}})...))
	f.Add(append(bytes.Clone(stream), encoded(f, &Frame{Seq: 3, End: &End{Observations: 2, Ops: 0}})...))
	f.Add(append(bytes.Clone(stream), encoded(f, &Frame{Seq: 3, Error: "no"})...))
	f.Add(stream)
	f.Fuzz(func(t *testing.T, in []byte) {
		var want []byte
		var seq int
		var end End
		r := bytes.NewReader(in)
		err := ReadFrames(r, func(f Frame) error {
			if f.Seq != seq || f.End != nil || f.Error != "" {
				t.Errorf("visited %+v as number %d", f, seq)
			}
			seq++
			if f.Observation != nil {
				end.Observations++
			}
			if f.Op != nil {
				end.Ops++
			}
			want = append(want, encoded(t, &f)...)
			return nil
		})
		if err != nil {
			return
		}
		want = append(want, encoded(t, &Frame{Seq: seq, End: &end})...)
		if read := in[:len(in)-r.Len()]; !bytes.Equal(read, want) {
			t.Errorf("a stream of %x was taken for complete, want %x", read, want)
		}
	})
}

// TestSeeds reads every seed back.
func TestSeeds(t *testing.T) {
	for _, msg := range seeds(t) {
		in := encoded(t, msg)
		var got vport.Message
		switch msg.(type) {
		case *Request:
			got = new(Request)
		case *Frame:
			got = new(Frame)
		case *Report:
			got = new(Report)
		case *Varied:
			got = new(Varied)
		}
		if err := vport.Read(bytes.NewReader(in), got); err != nil || !bytes.Equal(encoded(t, got), in) {
			t.Errorf("%+v came back as %+v, %v", msg, got, err)
		}
	}
}

// TestOneEncoding: a setting that is not canonical and an error frame without a
// text are invalid.
func TestOneEncoding(t *testing.T) {
	good := encoded(t, seeds(t)[0])
	bad := bytes.Replace(good, []byte("dev_mem,kcore@"), []byte("kcore,dev_mem@"), 1)
	if bytes.Equal(good, bad) {
		t.Fatal("the setting is not in the message")
	}
	if err := vport.Read(bytes.NewReader(good), new(Request)); err != nil {
		t.Error(err)
	}
	if err := vport.Read(bytes.NewReader(bad), new(Request)); err == nil {
		t.Error("reasons in another order were read")
	}
	if err := vport.Read(bytes.NewReader([]byte{0, 0, 0, 3, 0, frameError, 0}), new(Frame)); err == nil {
		t.Error("an error without a text was read")
	}
}
