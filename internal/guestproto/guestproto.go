// Package guestproto is what host and guest must agree on: the messages that
// follow the preamble, or run in an SSH session of vport.CommandCell, and the
// names that both sides use. A request is answered by a stream of frames.
//
// The lower part, package vport, is apart so that package vm can send a preamble
// without knowing what a probe is.
package guestproto

import (
	"errors"
	"fmt"
	"io"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Request has the guest program lock a setting and run probes.
type Request struct {
	Version   uint8              // vport.Version
	Interface lockdown.Interface // the interface the kernel is expected to have
	Setting   lockdown.Setting   // the guest locks it if it is delivered at run time
	Probes    []string           // IDs, in the order in which they run
	Scale     float64            // multiplies the guest's limits; not positive: 1
	Timing    bool               // the first state has the marks of the kernel's log
	ActsOnly  bool               // run no variants of the acts
	Sequence  []lockdown.Op      // run after the probes; see lockdown.CheckSequence
	Races     []lockdown.Race    // run after the sequence; see lockdown.CheckRace
	Steps     []scenarios.Step   // what scenarios.StepsID does; see scenarios.CheckSteps
	Mutant    string             // command for the lab series' mutate file, written before the setting is locked

	Off bool // the message is a vport.Off and no request
}

// A Frame has a number and exactly one other field.
type Frame struct {
	Seq         int // counts from 0; a gap is an error
	State       *State
	Observation *scenarios.Observation
	Varied      *Varied
	Left        *Left
	Op          *lockdown.Op         // the next operation of the sequence, with its answer
	Race        *lockdown.RaceReport // what the next race showed
	Error       string               // the guest program cannot go on; the last frame
	End         *End                 // the stream is complete; the last frame
}

// A Left has what a probe left behind whose observation was sent before.
type Left struct {
	Probe string
	Left  []string
}

// A Varied has the variants of a probe whose observation was sent before.
type Varied struct {
	Probe    string
	Variants []scenarios.Variant
}

// An End closes a stream. A stream without one was cut off.
type End struct {
	Observations int // how many were sent
	Ops          int // how many were sent
}

// A State is what the guest's kernel reports about itself.
type State = scenarios.State

// A Report is the message from a probe's child to the guest program.
type Report scenarios.Report

// ErrCut is the error of ReadFrames for a stream that ends between two frames
// without an End.
var ErrCut = errors.New("stream cut off before its end")

// An AbortError is the guest program's reason for ending a stream early: the
// request was wrong, or the setting could not be locked. The guest is alive.
type AbortError struct{ Text string }

func (e *AbortError) Error() string { return fmt.Sprintf("guest: %.200s", e.Text) }

// ReadFrames calls visit for each frame before the last one. It returns at the
// first of these:
//
//   - an End that counts as many observations and operations as came: nil;
//   - a frame with Error: an *AbortError;
//   - a frame with a wrong number, an empty frame, or an End with wrong counts;
//   - an error of visit, unchanged;
//   - the end of the stream: ErrCut between two frames, else an error that wraps
//     io.ErrUnexpectedEOF;
//   - another error of r.
//
// It sets no deadline and does not bound the number of frames: close r, or give
// it a deadline, to end it.
func ReadFrames(r io.Reader, visit func(Frame) error) error {
	observations, ops := 0, 0
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
			return &AbortError{f.Error}
		case f.End != nil:
			if f.End.Observations != observations {
				return fmt.Errorf("read frames: end counts %d observations, %d came", f.End.Observations, observations)
			}
			if f.End.Ops != ops {
				return fmt.Errorf("read frames: end counts %d operations, %d came", f.End.Ops, ops)
			}
			return nil
		case f.kind() == frameEmpty:
			return fmt.Errorf("read frame %d: empty", seq)
		case f.Observation != nil:
			observations++
		case f.Op != nil:
			ops++
		}
		if err := visit(f); err != nil {
			return err
		}
	}
}
