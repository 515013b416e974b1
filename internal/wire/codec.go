package wire

import (
	"math"

	"golang.org/x/crypto/cryptobyte"

	"github.com/ldlab/ldlab/internal/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A codec passes over the fields of a message, in one order for both
// directions: it adds each to b or, where there is an s, takes it from there.
type codec struct {
	b   *cryptobyte.Builder
	s   *cryptobyte.String
	bad bool // s is no such message
}

func marshal[T any](msg *T, fields func(*codec, *T), b *cryptobyte.Builder) error {
	fields(&codec{b: b}, msg)
	return nil
}

func unmarshal[T any](msg *T, fields func(*codec, *T), s *cryptobyte.String) bool {
	c := codec{s: s}
	fields(&c, msg)
	return !c.bad
}

func text[T ~string](c *codec, field *T) {
	if c.s == nil {
		vport.AddText(c.b, string(*field))
		return
	}
	var t string
	c.bad = c.bad || !vport.ReadText(c.s, &t)
	*field = T(t)
}

func number[T ~int | ~int64 | ~uint64 | ~uint8](c *codec, field *T) {
	if c.s == nil {
		c.b.AddUint64(uint64(*field))
		return
	}
	var n uint64
	c.bad = c.bad || !c.s.ReadUint64(&n) || uint64(T(n)) != n
	*field = T(n)
}

func truth(c *codec, field *bool) {
	var n uint8
	if *field {
		n = 1
	}
	number(c, &n)
	c.bad = c.bad || n > 1
	*field = n == 1
}

// list passes over a list; an empty one comes back as nil.
func list[T any](c *codec, field *[]T, each func(*codec, *T)) {
	n := len(*field)
	number(c, &n)
	if c.s != nil {
		*field = nil
		if c.bad = c.bad || n < 0 || n > len(*c.s); c.bad || n == 0 {
			return // each element has at least a byte
		}
		*field = make([]T, n)
	}
	for i := range *field {
		if c.bad {
			return
		}
		each(c, &(*field)[i])
	}
}

func setting(c *codec, field *lockdown.Setting) {
	var t string
	if c.s == nil {
		t = field.String()
	}
	if text(c, &t); c.s != nil && !c.bad {
		c.bad = field.UnmarshalText([]byte(t)) != nil
	}
}

func step(c *codec, s *lockdown.Step) {
	text(c, &s.Op)
	text(c, &s.File)
	text(c, &s.Data)
	text(c, &s.Err)
	number(c, &s.At)
	truth(c, &s.Same)
	number(c, &s.Group)
}

func check(c *codec, k *scenarios.Check) {
	text(c, &k.Site)
	text(c, &k.Call)
	text(c, &k.Label)
	text(c, &k.Comm)
	number(c, &k.Checks)
	number(c, &k.Denials)
}

func result(c *codec, r *scenarios.Result) {
	text(c, &r.Outcome)
	text(c, &r.Errno)
	text(c, &r.Call)
	text(c, &r.Why)
	list(c, &r.Steps, step)
}

func observation(c *codec, o *scenarios.Observation) {
	text(c, &o.Probe)
	text(c, &o.Where)
	result(c, &o.Result)
	text(c, &o.Comm)
	list(c, &o.Log, text[string])
	list(c, &o.Checks, check)
	number(c, &o.Runs)
	number(c, &o.StartNS)
	number(c, &o.Duration)
}

func mark(c *codec, m *scenarios.Mark) {
	text(c, &m.Name)
	number(c, &m.NS)
}

func state(c *codec, s *State) {
	text(c, &s.Where)
	text(c, &s.When)
	text(c, &s.Release)
	text(c, &s.Version)
	text(c, &s.Machine)
	text(c, &s.Cmdline)
	text(c, &s.LSM)
	text(c, &s.Level)
	text(c, &s.Reasons)
	truth(c, &s.Counts)
	list(c, &s.Checks, check)
	list(c, &s.Log, text[string])
	list(c, &s.Errors, text[string])
	list(c, &s.Marks, mark)
}

func request(c *codec, r *Request) {
	number(c, &r.Version)
	text(c, &r.Kind)
	setting(c, &r.Setting)
	list(c, &r.Probes, text[string])
	scale := math.Float64bits(r.Scale)
	number(c, &scale)
	r.Scale = math.Float64frombits(scale)
	truth(c, &r.Timing)
	list(c, &r.Script, step)
	text(c, &r.Mutant)
}

// What a frame carries.
const (
	frameEmpty = iota
	frameState
	frameObservation
	frameStep
	frameError
	frameEnd
)

func (f *Frame) kind() int {
	switch {
	case f.State != nil:
		return frameState
	case f.Observation != nil:
		return frameObservation
	case f.Step != nil:
		return frameStep
	case f.Error != "":
		return frameError
	case f.End != nil:
		return frameEnd
	}
	return frameEmpty
}

func frame(c *codec, f *Frame) {
	kind := f.kind()
	number(c, &f.Seq)
	number(c, &kind)
	switch kind {
	case frameEmpty:
	case frameState:
		present(c, &f.State, state)
	case frameObservation:
		present(c, &f.Observation, observation)
	case frameStep:
		present(c, &f.Step, step)
	case frameError:
		text(c, &f.Error)
	case frameEnd:
		present(c, &f.End, end)
	default:
		c.bad = true
	}
}

func end(c *codec, e *End) {
	number(c, &e.Observations)
	number(c, &e.Steps)
}

// present passes over what a pointer is to.
func present[T any](c *codec, field **T, fields func(*codec, *T)) {
	if c.s != nil {
		*field = new(T)
	}
	fields(c, *field)
}

// Marshal and Unmarshal make a Frame, a Request and a Result a vport.Message.

func (f *Frame) Marshal(b *cryptobyte.Builder) error { return marshal(f, frame, b) }

func (f *Frame) Unmarshal(s *cryptobyte.String) bool {
	*f = Frame{}
	return unmarshal(f, frame, s)
}

func (r *Request) Marshal(b *cryptobyte.Builder) error {
	b.AddUint8(vport.KindRequest)
	return marshal(r, request, b)
}

// Unmarshal also takes a vport.Off: a Request with Off.
func (r *Request) Unmarshal(s *cryptobyte.String) bool {
	*r = Request{}
	var kind uint8
	switch {
	case !s.ReadUint8(&kind):
		return false
	case kind == vport.KindOff:
		r.Off = true
		return true
	}
	return kind == vport.KindRequest && unmarshal(r, request, s)
}

func (r *Result) Marshal(b *cryptobyte.Builder) error {
	return marshal((*scenarios.Result)(r), result, b)
}

func (r *Result) Unmarshal(s *cryptobyte.String) bool {
	*r = Result{}
	return unmarshal((*scenarios.Result)(r), result, s)
}
