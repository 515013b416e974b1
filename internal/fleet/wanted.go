package fleet

import (
	"context"
	"fmt"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

// A Wanted is what a user wants to run of a plan, and what that is.
type Wanted struct {
	Plan, Bundle string // file; at most one is given
	Shard        string // K/N; empty: the environment decides

	// Resolve sets these.
	File   *File
	Packed []engine.Packed // of the bundle
	Part   Shard
}

// Given reports whether any of it is wanted.
func (w *Wanted) Given() bool { return w.Plan != "" || w.Bundle != "" || w.Shard != "" }

// Resolve reads the plan and chooses the shard. A mistake of the user's is a
// *plan.UsageError, and a file that cannot be used a *kernels.InputError. note gets
// lines for the user.
func (w *Wanted) Resolve(ctx context.Context, getenv func(string) string, note func(string)) (*plan.Plan, error) {
	switch {
	case w.Plan != "" && w.Bundle != "":
		return nil, usagef("a bundle has its own plan: leave out --plan")
	case w.Plan == "" && w.Bundle == "":
		return nil, usagef("--shard needs --plan or --bundle")
	}
	if err := w.choose(getenv, note); err != nil {
		return nil, err
	}
	whole, err := w.whole(ctx, note)
	if err != nil {
		return nil, err
	}
	if err := w.File.Check(whole); err != nil {
		return nil, &plan.UsageError{Text: err.Error()}
	}
	return w.File.Part(whole, w.Part), nil
}

// choose finds out which shard is meant.
func (w *Wanted) choose(getenv func(string) string, note func(string)) (err error) {
	if w.Shard != "" {
		w.Part, err = ParseShard(w.Shard)
		return err
	}
	var from string
	if w.Part, from, err = ShardFromEnv(getenv); err != nil {
		return err
	}
	if from != "" {
		note(fmt.Sprintf("shard %s, by %s", w.Part, from))
	}
	return Acknowledge(getenv)
}

// whole reads the plan, with its kernels if it is in a bundle, and expands it again if
// it is not.
func (w *Wanted) whole(ctx context.Context, note func(string)) (whole *plan.Plan, err error) {
	if w.Bundle != "" {
		packed, err := Unpack(ctx, w.Bundle, note)
		if err != nil {
			return nil, &kernels.InputError{Err: err}
		}
		w.File, w.Packed = packed.File, packed.Kernels
		return packed.Plan(), nil
	}
	if w.File, err = Load(w.Plan); err != nil {
		return nil, &kernels.InputError{Err: err}
	}
	return engine.Resolve(ctx, w.File.Selection, "")
}
