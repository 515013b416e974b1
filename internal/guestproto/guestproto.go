// Package guestproto is what host and guest say to each other after the preamble of
// a cell, or in an SSH session of vport.CommandCell: a request, and a stream of
// frames.
package guestproto

import (
	"errors"
	"fmt"
	"io"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Request asks the guest program to lock something and to run probes.
type Request struct {
	Version   uint8              // vport.Version
	Interface lockdown.Interface // the interface the kernel is expected to have
	Setting   lockdown.Setting   // what is locked; the guest locks it if it is delivered at run time
	Probes    []string           // names, in the order in which they are to run
	Scale     float64            // multiplies the guest's own deadlines
	Timing    bool               // also look in the kernel's log for how the boot went
	Sequence  []lockdown.Op      // played after the probes; what lockdown.CheckScript takes
	Mutant    string             // command for the lab series' mutate file, written before anything is locked

	Off bool // what came was no request but a vport.Off: the guest is to power off
}

// A Frame carries exactly one of its fields.
type Frame struct {
	Seq         int // counts from 0; a gap is an error
	State       *State
	Observation *scenarios.Observation
	Step        *lockdown.Op // the next of the script, with its answer
	Error       string       // the guest cannot go on; ends the stream
	End         *End         // the stream is complete
}

// An End closes a stream. A stream without it was cut off.
type End struct {
	Observations int // how many were sent
	Steps        int // and of these
}

// A State is what the guest's kernel says of itself.
type State = scenarios.State

// A Result is what a probe's child sends to the guest program.
type Result scenarios.Result

// ErrCut is returned by ReadFrames for a stream that ended without its End.
var ErrCut = errors.New("stream cut off before its end")

// A GuestError is what the guest program itself says it could not do: the
// guest is alive, and its kernel did not come into the setting.
type GuestError struct{ Text string }

func (e *GuestError) Error() string { return fmt.Sprintf("guest: %.200s", e.Text) }

// ReadFrames hands each frame before the end to visit, and returns nil only
// for a stream that was complete: numbered without a gap, closed by an End
// that counts as many observations and steps as came.
func ReadFrames(r io.Reader, visit func(Frame) error) error {
	observations, steps := 0, 0
	for seq := 0; ; seq++ {
		var f Frame
		switch err := vport.Read(r, &f); {
		case err == io.EOF:
			return ErrCut
		case err != nil:
			return err
		}
		if f.Seq != seq {
			return fmt.Errorf("read frame: got number %d, want %d", f.Seq, seq)
		}
		switch {
		case f.Error != "":
			return &GuestError{f.Error}
		case f.End != nil:
			if f.End.Observations != observations {
				return fmt.Errorf("read frames: end counts %d observations, %d came", f.End.Observations, observations)
			}
			if f.End.Steps != steps {
				return fmt.Errorf("read frames: end counts %d steps, %d came", f.End.Steps, steps)
			}
			return nil
		case f.State == nil && f.Observation == nil && f.Step == nil:
			return fmt.Errorf("read frame %d: empty", seq)
		case f.Observation != nil:
			observations++
		case f.Step != nil:
			steps++
		}
		if err := visit(f); err != nil {
			return err
		}
	}
}
