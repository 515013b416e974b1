package guestproto

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

func stream(t *testing.T, frames ...Frame) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	for _, f := range frames {
		if err := vport.Write(&b, &f); err != nil {
			t.Fatal(err)
		}
	}
	return &b
}

func TestReadFrames(t *testing.T) {
	obs := func(seq int) Frame { return Frame{Seq: seq, Observation: &scenarios.Observation{Probe: "p"}} }
	state := Frame{Seq: 0, State: &State{When: "boot"}}
	end := func(seq, n int) Frame { return Frame{Seq: seq, End: &End{Observations: n}} }
	op := func(seq int) Frame { return Frame{Seq: seq, Op: &lockdown.Op{Call: "read"}} }
	ops := func(seq, n int) Frame { return Frame{Seq: seq, End: &End{Ops: n}} }
	stop := errors.New("stop")
	for _, tc := range []struct {
		name   string
		frames []Frame
		visit  error
		want   string // "": complete
		seen   int
	}{
		{"complete", []Frame{state, obs(1), obs(2), end(3, 2)}, nil, "", 3},
		{"empty but complete", []Frame{end(0, 0)}, nil, "", 0},
		{"no end", []Frame{state, obs(1)}, nil, ErrCut.Error(), 2},
		{"nothing at all", nil, nil, ErrCut.Error(), 0},
		{"a frame is missing", []Frame{state, obs(2)}, nil, "number 2, want 1", 1},
		{"a frame comes twice", []Frame{state, obs(1), obs(1)}, nil, "number 1, want 2", 2},
		{"the end counts more", []Frame{state, obs(1), end(2, 2)}, nil, "counts 2 observations, 1 came", 2},
		{"the end counts fewer", []Frame{state, obs(1), end(2, 0)}, nil, "counts 0 observations, 1 came", 2},
		{"a sequence", []Frame{state, op(1), op(2), ops(3, 2)}, nil, "", 3},
		{"the end counts more operations", []Frame{state, op(1), ops(2, 2)}, nil, "counts 2 operations, 1 came", 2},
		{"the end counts fewer operations", []Frame{state, op(1), op(2), ops(3, 1)}, nil, "counts 1 operations, 2 came", 3},
		{"empty frame", []Frame{state, {Seq: 1}}, nil, "empty", 1},
		{"guest gives up", []Frame{state, {Seq: 1, Error: "lock: EPERM"}}, nil, "guest: lock: EPERM", 1},
		{"host gives up", []Frame{state, obs(1), end(2, 1)}, stop, "stop", 1},
	} {
		seen := 0
		err := ReadFrames(stream(t, tc.frames...), func(Frame) error { seen++; return tc.visit })
		if seen != tc.seen || (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v after %d frames, want %q after %d", tc.name, err, seen, tc.want, tc.seen)
		}
	}
}

func TestReadFramesGarbage(t *testing.T) {
	good := stream(t, Frame{Seq: 0, State: &State{}}, Frame{Seq: 1, End: &End{}}).Bytes()
	for i := range good {
		if err := ReadFrames(bytes.NewReader(good[:i]), func(Frame) error { return nil }); err == nil {
			t.Errorf("cut at byte %d: no error", i)
		}
	}
	if err := ReadFrames(strings.NewReader(strings.Repeat("garbage", 1000)), func(Frame) error { return nil }); err == nil {
		t.Error("garbage: no error")
	}
}

// TestRoundTrip draws messages and checks that they are decoded as they were
// encoded, so that a field that Fields leaves out is found.
func TestRoundTrip(t *testing.T) {
	t.Run("frame", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			f := Frame{Seq: rapid.Int().Draw(t, "seq")}
			switch rapid.IntRange(frameEmpty, frameEnd).Draw(t, "kind") {
			case frameState:
				f.State = rapid.Ptr(rapid.Make[State](), false).Draw(t, "state")
			case frameObservation:
				f.Observation = rapid.Ptr(rapid.Make[scenarios.Observation](), false).Draw(t, "observation")
			case frameStep:
				f.Op = rapid.Ptr(rapid.Make[lockdown.Op](), false).Draw(t, "op")
			case frameError:
				f.Error = rapid.StringN(1, -1, -1).Draw(t, "error")
			case frameEnd:
				f.End = rapid.Ptr(rapid.Make[End](), false).Draw(t, "end")
			}
			comesBack(t, &f, new(Frame))
		})
	})
	t.Run("request", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			r := Request{
				Version:   rapid.Uint8().Draw(t, "version"),
				Interface: lockdown.Interface(rapid.String().Draw(t, "kind")),
				Setting:   drawSetting(t),
				Probes:    rapid.SliceOf(rapid.String()).Draw(t, "probes"),
				Scale:     rapid.Float64().Draw(t, "scale"),
				Timing:    rapid.Bool().Draw(t, "timing"),
				ActsOnly:  rapid.Bool().Draw(t, "acts only"),
				Sequence:  rapid.SliceOf(rapid.Make[lockdown.Op]()).Draw(t, "script"),
				Steps:     rapid.SliceOf(rapid.Make[scenarios.Step]()).Draw(t, "steps"),
				Mutant:    rapid.String().Draw(t, "mutant"),
			}
			comesBack(t, &r, new(Request))
		})
	})
	t.Run("result", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			r := Report(rapid.Make[scenarios.Report]().Draw(t, "result"))
			comesBack(t, &r, new(Report))
		})
	})
}

func drawSetting(t *rapid.T) lockdown.Setting {
	text := rapid.SampledFrom([]string{"none", "integrity@boot", "confidentiality@runtime", "dev_mem,kcore@runtime"}).Draw(t, "setting")
	s, err := lockdown.ParseSetting(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// comesBack writes a message and reads it into another one of its type.
func comesBack(t *rapid.T, sent, got vport.Message) {
	var b bytes.Buffer
	if err := vport.Write(&b, sent); err != nil {
		t.Fatal(err)
	}
	if err := vport.Read(&b, got); err != nil || !reflect.DeepEqual(emptyIsNil(got), emptyIsNil(sent)) {
		t.Fatalf("sent %+v, got %+v, %v", sent, got, err)
	}
}

// emptyIsNil returns a text in which empty and nil slices are equal.
func emptyIsNil(msg vport.Message) string {
	text, err := json.Marshal(msg)
	if err != nil {
		panic(err)
	}
	return strings.ReplaceAll(string(text), "[]", "null")
}

// TestOff: an Off is decoded as a request with Off set, and clears the other
// fields.
func TestOff(t *testing.T) {
	var b bytes.Buffer
	r := Request{Mutant: "left from before"}
	if err := vport.Write(&b, &vport.Off{}); err != nil {
		t.Fatal(err)
	}
	if err := vport.Read(&b, &r); err != nil || !reflect.DeepEqual(r, Request{Off: true}) {
		t.Errorf("got %+v, %v", r, err)
	}
}
