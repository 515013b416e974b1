package observe

// An Effect is whether an act happened, as a look at its object shows. The look
// does not depend on the answer of the act's call: a kernel that acts first and
// refuses later answers EPERM, too.
type Effect string

const (
	Happened Effect = "happened" // the object has changed, or what was read is what is there
	Nothing  Effect = "nothing"  // the object is as before, or what was read is not what is there
)

// Saw adds a look to a report: whether the act happened, and the look as strace
// prints it.
func (r Report) Saw(happened bool, look string) Report {
	r.Effect, r.Look = Nothing, look
	if happened {
		r.Effect = Happened
	}
	return r
}

// Brought adds to the report of an act that reads whether what it read is what
// is there. An act that failed has read nothing.
func (r Report) Brought(right bool, look string) Report {
	if r.Outcome != Allowed {
		return r.Saw(false, "nothing was read")
	}
	return r.Saw(right, look)
}

// A Variant is one of the further ways in which a probe does its act: with other
// arguments, again, or by another asker. It reaches the object of the act if it
// is allowed with nothing locked; it must then be denied if the reason is
// locked.
type Variant struct {
	Args string // what differs from the act, unique in its probe: flags=KEXEC_ON_CRASH
	Report
}

// Vary returns the report as that of a variant.
func (r Report) Vary(args string) Variant { return Variant{args, r} }
