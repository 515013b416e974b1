package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/google/renameio/v2"
)

// Format is the version of the results file.
const Format = 1

// Results is everything that one run of the benchmark measured. Table and plot
// are made of it and of nothing else.
type Results struct {
	Format   int
	Date     string // RFC 3339
	Machine  Machine
	Rounds   int
	Measures []Measure // in the order of the table of subjects
	Rows     []Row     // derived from the measures
}

// A Measure is one thing that was timed or weighed, every sample of it.
type Measure struct {
	ID      string
	Title   string
	Unit    string    // s, MiB, guests
	Samples []float64 `json:",omitempty"` // in the order they were taken
	Median  float64   `json:",omitempty"` // of the samples
	Missing string    `json:",omitempty"` // why there are no samples
	Date    string    `json:",omitempty"` // when it was measured; empty: in this run
}

// Measure finds a measure; nil if there is none of that name.
func (r *Results) Measure(id string) *Measure {
	i := slices.IndexFunc(r.Measures, func(m Measure) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return &r.Measures[i]
}

// add takes a sample, to a tenth of a millisecond or of a KiB: the rest of the
// digits is noise.
func (m *Measure) add(sample float64) {
	m.Samples = append(m.Samples, math.Round(sample*1e4)/1e4)
	m.Median = median(m.Samples)
	m.Missing = ""
}

// median is the middle of the samples; of an even number, the mean of both
// middles. The samples keep their order.
func median(samples []float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// read reads a results file.
func read(path string) (*Results, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var r Results
	if err := dec.Decode(&r); err != nil {
		return nil, fmt.Errorf("read results %s: %w", path, err)
	}
	if r.Format != Format {
		return nil, fmt.Errorf("read results %s: format %d, want %d", path, r.Format, Format)
	}
	return &r, nil
}

// write writes the results file, whole or not at all.
func (r *Results) write(path string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return replace(path, append(data, '\n'))
}

func replace(path string, data []byte) error {
	if err := renameio.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}
