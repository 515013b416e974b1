package guestproto

import (
	"math"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

func setting(c *vport.Codec, field *lockdown.Setting) {
	var t string
	if !c.Reading() {
		t = field.String()
	}
	if vport.Text(c, &t); c.Reading() {
		c.Demand(field.UnmarshalText([]byte(t)) == nil && field.String() == t)
	}
}

func op(c *vport.Codec, s *lockdown.Op) {
	vport.Text(c, &s.Call)
	vport.Text(c, &s.File)
	vport.Text(c, &s.Data)
	vport.Text(c, &s.Err)
	vport.Number(c, &s.At)
	vport.Bool(c, &s.Same)
	vport.Number(c, &s.Group)
}

func race(c *vport.Codec, r *lockdown.Race) {
	vport.List(c, &r.Writers, raceWriter)
	vport.List(c, &r.Watch, vport.Text[string])
	vport.Text(c, &r.Make)
	vport.Number(c, &r.Rounds)
	vport.Number(c, &r.Enough)
}

func raceWriter(c *vport.Codec, w *lockdown.RaceWriter) {
	vport.Text(c, &w.File)
	vport.Text(c, &w.Data)
	vport.Text(c, &w.Act)
}

func raceReport(c *vport.Codec, r *lockdown.RaceReport) {
	vport.Number(c, &r.Rounds)
	vport.Number(c, &r.First)
	vport.Number(c, &r.Broken)
	vport.Text(c, &r.Example)
	vport.Number(c, &r.NS)
	vport.Text(c, &r.Error)
}

func check(c *vport.Codec, k *scenarios.Check) {
	vport.Text(c, &k.Site)
	vport.Text(c, &k.Label)
	vport.Text(c, &k.Comm)
	vport.Number(c, &k.Checks)
	vport.Number(c, &k.Denials)
}

func report(c *vport.Codec, r *scenarios.Report) {
	vport.Text(c, &r.Outcome)
	vport.Text(c, &r.Errno)
	vport.Text(c, &r.Call)
	vport.Text(c, &r.Why)
	vport.Text(c, &r.Face)
	vport.Text(c, &r.Effect)
	vport.Text(c, &r.Look)
	vport.Bool(c, &r.Stuck)
	vport.List(c, &r.Ops, op)
	vport.List(c, &r.Steps, step)
}

func step(c *vport.Codec, s *scenarios.Step) {
	for _, text := range []*string{&s.Call, &s.File, &s.As, &s.Data, &s.Hex, &s.Err, &s.Read, &s.ReadHex, &s.Log} {
		vport.Text(c, text)
	}
	for _, n := range []*int{&s.Flags, &s.Size, &s.Times, &s.Lines} {
		vport.Number(c, n)
	}
	vport.Number(c, &s.At)
	vport.Number(c, &s.Ret)
	vport.Bool(c, &s.Done)
	vport.Bool(c, &s.LogLost)
	vport.List(c, &s.Args, vport.Text[string])
	vport.List(c, &s.Logged, vport.Text[string])
	vport.List(c, &s.Denials, count)
}

func count(c *vport.Codec, n *scenarios.Count) {
	vport.Text(c, &n.Label)
	vport.Text(c, &n.Site)
	vport.Number(c, &n.N)
}

func variant(c *vport.Codec, v *scenarios.Variant) {
	vport.Text(c, &v.Args)
	report(c, &v.Report)
}

func varied(c *vport.Codec, v *Varied) {
	vport.Text(c, &v.Probe)
	vport.List(c, &v.Variants, variant)
}

func left(c *vport.Codec, l *Left) {
	vport.Text(c, &l.Probe)
	vport.List(c, &l.Left, vport.Text[string])
}

func observation(c *vport.Codec, o *scenarios.Observation) {
	vport.Text(c, &o.Probe)
	report(c, &o.Report)
	vport.Text(c, &o.Comm)
	vport.List(c, &o.Log, vport.Text[string])
	vport.Bool(c, &o.LogWhole)
	vport.List(c, &o.Checks, check)
	vport.Number(c, &o.Runs)
	vport.Number(c, &o.StartNS)
	vport.Number(c, &o.Duration)
	vport.List(c, &o.Variants, variant)
	vport.List(c, &o.Left, vport.Text[string])
}

func mark(c *vport.Codec, m *scenarios.Mark) {
	vport.Text(c, &m.Name)
	vport.Number(c, &m.NS)
}

func state(c *vport.Codec, s *State) {
	vport.Text(c, &s.When)
	vport.Text(c, &s.Release)
	vport.Text(c, &s.Version)
	vport.Text(c, &s.Machine)
	vport.Text(c, &s.Cmdline)
	vport.Text(c, &s.LSM)
	vport.Text(c, &s.Level)
	vport.Text(c, &s.Reasons)
	vport.Bool(c, &s.Counts)
	vport.List(c, &s.Checks, check)
	vport.List(c, &s.Log, vport.Text[string])
	vport.List(c, &s.Splats, vport.Text[string])
	vport.List(c, &s.Errors, vport.Text[string])
	vport.List(c, &s.Marks, mark)
}

func request(c *vport.Codec, r *Request) {
	vport.Number(c, &r.Version)
	vport.Text(c, &r.Interface)
	setting(c, &r.Setting)
	vport.List(c, &r.Probes, vport.Text[string])
	scale := math.Float64bits(r.Scale)
	vport.Number(c, &scale)
	r.Scale = math.Float64frombits(scale)
	vport.Bool(c, &r.Timing)
	vport.Bool(c, &r.ActsOnly)
	vport.List(c, &r.Sequence, op)
	vport.List(c, &r.Races, race)
	vport.List(c, &r.Steps, step)
	vport.Text(c, &r.Mutant)
}

// The kinds of frames.
const (
	frameEmpty = iota
	frameState
	frameObservation
	frameStep
	frameError
	frameEnd
	frameVaried
	frameLeft
	frameRace
)

func (f *Frame) kind() int {
	switch {
	case f.State != nil:
		return frameState
	case f.Observation != nil:
		return frameObservation
	case f.Op != nil:
		return frameStep
	case f.Error != "":
		return frameError
	case f.End != nil:
		return frameEnd
	case f.Varied != nil:
		return frameVaried
	case f.Left != nil:
		return frameLeft
	case f.Race != nil:
		return frameRace
	}
	return frameEmpty
}

func frame(c *vport.Codec, f *Frame) {
	kind := f.kind()
	vport.Number(c, &f.Seq)
	vport.Number(c, &kind)
	switch kind {
	case frameEmpty:
	case frameState:
		vport.Present(c, &f.State, state)
	case frameObservation:
		vport.Present(c, &f.Observation, observation)
	case frameStep:
		vport.Present(c, &f.Op, op)
	case frameError:
		vport.Text(c, &f.Error)
		c.Demand(f.Error != "") // an empty text is no error
	case frameEnd:
		vport.Present(c, &f.End, end)
	case frameVaried:
		vport.Present(c, &f.Varied, varied)
	case frameLeft:
		vport.Present(c, &f.Left, left)
	case frameRace:
		vport.Present(c, &f.Race, raceReport)
	default:
		c.Demand(false)
	}
}

func end(c *vport.Codec, e *End) {
	vport.Number(c, &e.Observations)
	vport.Number(c, &e.Ops)
}

// Fields makes a Frame a vport.Message.
func (f *Frame) Fields(c *vport.Codec) {
	if c.Reading() {
		*f = Frame{}
	}
	frame(c, f)
}

// Fields makes a Request a vport.Message. A vport.Off is decoded as a Request
// with Off set, which is encoded as one.
func (r *Request) Fields(c *vport.Codec) {
	kind := vport.KindRequest
	if c.Reading() {
		*r = Request{}
	} else if r.Off {
		kind = vport.KindOff
	}
	vport.Number(c, &kind)
	switch kind {
	case vport.KindRequest:
		request(c, r)
	case vport.KindOff:
		r.Off = true
	default:
		c.Demand(false)
	}
}

// Fields makes a Report a vport.Message.
func (r *Report) Fields(c *vport.Codec) {
	if c.Reading() {
		*r = Report{}
	}
	report(c, (*scenarios.Report)(r))
}

// Fields makes Varied a vport.Message.
func (v *Varied) Fields(c *vport.Codec) {
	if c.Reading() {
		*v = Varied{}
	}
	varied(c, v)
}

// Steps is the message in which a child of the guest program gets the steps of a
// finding.
type Steps []scenarios.Step

// Fields makes Steps a vport.Message.
func (s *Steps) Fields(c *vport.Codec) { vport.List(c, (*[]scenarios.Step)(s), step) }
