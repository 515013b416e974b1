package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/ldlab/ldlab/report/words"
)

// writeTable prints the rows, and below them why some have no ratio.
func writeTable(w io.Writer, r *Results) error {
	fmt.Fprintf(w, "%s, medians of up to %d samples; %s, %d processors\n", r.Date, r.Rounds, r.Machine.CPU, r.Machine.Cores)
	if len(r.Machine.Guests) > 0 {
		fmt.Fprintln(w, words.Machines(r.Machine.Guests))
	}
	fmt.Fprintln(w)
	var notes []string
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measure\tours\tother\tsamples\tratio\ttarget\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			row.What, value(r.Measure(row.Ours)), other(row, r), counts(row, r), ratio(row), target(row, r), row.Outcome)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, m := range r.Measures {
		if m.Missing != "" {
			notes = append(notes, fmt.Sprintf("not measured: %s: %s", m.Title, m.Missing))
		}
		if m.Date != "" {
			notes = append(notes, fmt.Sprintf("measured earlier, on %s: %s", m.Date, m.Title))
		}
	}
	if len(notes) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(notes, "\n"))
	}
	return nil
}

// value is a median with its unit.
func value(m *Measure) string {
	if m == nil || len(m.Samples) == 0 {
		return "-"
	}
	return number(m.Median) + " " + m.Unit
}

// number shows three digits that count; a count stays whole.
func number(v float64) string {
	decimals := 2
	switch {
	case v >= 100, v >= 10 && v == float64(int(v)):
		decimals = 0
	case v >= 10:
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

func other(row Row, r *Results) string {
	if row.Other == "" {
		return ""
	}
	return value(r.Measure(row.Other)) + " " + row.Than
}

// counts is how many samples are behind a row.
func counts(row Row, r *Results) string {
	var list []string
	for _, id := range []string{row.Ours, row.Other} {
		if m := r.Measure(id); m != nil && len(m.Samples) > 0 {
			list = append(list, strconv.Itoa(len(m.Samples)))
		}
	}
	return strings.Join(list, "/")
}

func ratio(row Row) string {
	if row.Ratio == 0 {
		return ""
	}
	return strconv.FormatFloat(row.Ratio, 'f', 3, 64)
}

func target(row Row, r *Results) string {
	m := r.Measure(row.Ours)
	switch {
	case row.Limit > 0 && m != nil:
		return "<= " + strconv.FormatFloat(row.Limit, 'f', -1, 64) + " " + m.Unit
	case row.Target == 0:
		return ""
	case row.Below:
		return "< " + strconv.FormatFloat(row.Target, 'f', -1, 64)
	}
	return "<= " + strconv.FormatFloat(row.Target, 'f', -1, 64)
}
