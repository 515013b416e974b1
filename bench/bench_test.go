package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// fake is a subject that counts.
func fake(id string, most int, took *[]string, sample sampler, err error) subject {
	return subject{id: id, title: id, unit: "s", most: most, open: func(context.Context, *bench) (sampler, error) {
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (float64, error) {
			*took = append(*took, id)
			return sample(ctx)
		}, nil
	}}
}

func rising() sampler {
	v := 0.0
	return func(context.Context) (float64, error) { v++; return v, nil }
}

func TestRounds(t *testing.T) {
	var took []string
	n := 0
	breaks := func(context.Context) (float64, error) {
		if n++; n == 2 {
			return 0, errors.New("it\nbroke")
		}
		return 7, nil
	}
	b := &bench{options: options{rounds: 3}, log: io.Discard}
	r, err := b.run(t.Context(), []subject{
		fake("a", 0, &took, rising(), nil),
		fake("not there", 0, &took, nil, errors.New("not installed")),
		fake("b", 1, &took, rising(), nil),
		fake("breaks", 0, &took, breaks, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "breaks", "a", "breaks", "a"}; !slices.Equal(took, want) {
		t.Errorf("samples were taken of %v, want %v: one of each in a round", took, want)
	}
	if m := r.Measure("a"); !slices.Equal(m.Samples, []float64{1, 2, 3}) || m.Median != 2 || m.Missing != "" {
		t.Errorf("a: %+v", m)
	}
	if m := r.Measure("not there"); m.Missing != "not installed" || len(m.Samples) != 0 {
		t.Errorf("not there: %+v", m)
	}
	if m := r.Measure("breaks"); m.Missing != "it broke" {
		t.Errorf("breaks: %+v, want why in one line", m)
	}
	if why(r.Measure("breaks")) == "" {
		t.Error("the samples from before something broke count")
	}
}

// TestTurns takes several samples of some subjects in each round, in turns.
func TestTurns(t *testing.T) {
	var took []string
	x, y := fake("x", 0, &took, rising(), nil), fake("y", 0, &took, rising(), nil)
	x.turns, y.turns = maxTurns, maxTurns
	warmed := 0
	b := &bench{options: options{rounds: 2}, log: io.Discard, warm: func() error { warmed++; return nil }}
	if _, err := b.run(t.Context(), []subject{x, fake("a", 0, &took, rising(), nil), y}); err != nil {
		t.Fatal(err)
	}
	if warmed != len(took) {
		t.Errorf("memory was warmed %d times for %d samples", warmed, len(took))
	}
	round := []string{"x", "a", "y", "x", "y", "x", "y"}
	if want := slices.Concat(round, round); !slices.Equal(took, want) {
		t.Errorf("samples were taken of %v, want %v", took, want)
	}
}

// TestWholeRuns come after what is short, and stop when there is no time for another round.
func TestWholeRuns(t *testing.T) {
	for limit, want := range map[time.Duration][]string{
		0:         {"a", "b", "a", "b", "x", "y"},
		time.Hour: {"a", "b", "a", "b", "x", "y", "x", "y"},
	} {
		var took []string
		x, y := fake("x", 0, &took, rising(), nil), fake("y", 0, &took, rising(), nil)
		x.phase, y.phase = whole, whole
		z := fake("z", 1, &took, rising(), nil)
		z.phase, want = last, append(want, "z")
		b := &bench{options: options{rounds: 2, limit: limit}, log: io.Discard}
		if _, err := b.run(t.Context(), []subject{fake("a", 0, &took, rising(), nil), z, x, y, fake("b", 0, &took, rising(), nil)}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(took, want) {
			t.Errorf("within %s samples were taken of %v, want %v", limit, took, want)
		}
	}
}

// TestInterrupt gives no results of half a run.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var took []string
	b := &bench{options: options{rounds: 9}, log: io.Discard}
	r, err := b.run(ctx, []subject{fake("a", 0, &took, func(context.Context) (float64, error) { cancel(); return 1, nil }, nil)})
	if !errors.Is(err, context.Canceled) || r != nil || len(took) != 1 {
		t.Errorf("%+v, %v after %d samples", r, err, len(took))
	}
}

func TestWhyIsBounded(t *testing.T) {
	b := &bench{log: io.Discard}
	var m Measure
	b.missing(&m, errors.New(strings.Repeat("x", 10*maxWhy)))
	if len(m.Missing) > maxWhy+3 {
		t.Errorf("why has %d bytes", len(m.Missing))
	}
}

func TestPick(t *testing.T) {
	list := func() []subject { return []subject{{id: "x86_64/boot"}, {id: "x86_64/fork"}, {id: "peers/kunit"}} }
	names := func(l []subject) (ids []string) {
		for _, s := range l {
			ids = append(ids, s.id)
		}
		return ids
	}
	if got := names(pick(list(), nil)); len(got) != 3 {
		t.Errorf("without words: %v", got)
	}
	if got := names(pick(list(), []string{"x86_64/f", "peers/"})); !slices.Equal(got, []string{"x86_64/fork", "peers/kunit"}) {
		t.Errorf("picked %v", got)
	}
}
