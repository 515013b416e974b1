package plan

import (
	"slices"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A Job is what a guest is wanted for, if a plan is not the product of settings and
// probes. A job has probes or steps. The probes of all jobs with one setting run in
// one guest; steps have a guest of their own, because they may lock, and because
// nothing that they leave behind may reach another job.
type Job struct {
	Name    string                // of steps: unique in the plan
	Setting string                // its text form
	Probes  []string              // scenario/probe
	Steps   []scenarios.Step      // see scenarios.CheckSteps
	Machine scenarios.MachineKind // of the steps
}

// jobProbes lists the probes of all jobs, in the order of the table.
func jobProbes(jobs []Job) ([]string, error) {
	var sel Selection
	for _, j := range jobs {
		sel.Probes = append(sel.Probes, j.Probes...)
	}
	if len(sel.Probes) == 0 {
		return nil, nil
	}
	return pickProbes(sel)
}

// jobGuests returns the guests of the jobs on one kernel: the control, if there are
// probes, then one for each setting of probes, then one for each job with steps.
// The probes run without variants: a finding names what it claims.
func jobGuests(b Build, sel Selection, probes []string) (guests []matrix.Guest, err error) {
	guest := func(text string) (g matrix.Guest, err error) {
		settings, err := ParseSettings([]string{text})
		if err != nil {
			return g, err
		}
		if err := settings[0].CheckInterface(b.Kernel.Interface); err != nil {
			return g, usagef("kernel %s: %v", b.Kernel.Name, err)
		}
		return matrix.Guest{Kernel: b.Kernel.Name, Arch: b.Arch.Name, Interface: b.Kernel.Interface, Setting: settings[0], Append: sel.Append, ActsOnly: true}, nil
	}
	if len(probes) > 0 {
		g, err := guest(lockdown.Setting{}.String())
		if err != nil {
			return nil, err
		}
		guests = append(guests, g)
	}
	for _, j := range sel.Jobs {
		if len(j.Probes) == 0 {
			continue
		}
		g, err := guest(j.Setting)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(guests, func(o matrix.Guest) bool { return o.ID() == g.ID() })
		switch {
		case i == 0: // the control runs all of them
			continue
		case i < 0:
			i = len(guests)
			guests = append(guests, g)
		}
		only := append(guests[i].Only, j.Probes...)
		guests[i].Only = slices.DeleteFunc(slices.Clone(probes), func(id string) bool { return !slices.Contains(only, id) })
	}
	for _, j := range sel.Jobs {
		if len(j.Steps) == 0 {
			continue
		}
		g, err := guest(j.Setting)
		if err == nil {
			err = scenarios.CheckSteps(j.Steps)
		}
		if err != nil {
			return nil, err
		}
		g.Job, g.Steps, g.Machine = j.Name, j.Steps, j.Machine
		guests = append(guests, g)
	}
	return guests, nil
}
