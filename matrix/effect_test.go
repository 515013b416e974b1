package matrix

import (
	"context"
	"testing"

	"github.com/ldlab/ldlab/scenarios"
)

// looked is an observation whose probe looked whether the act happened.
func looked(o *scenarios.Observation, effect scenarios.Effect, variants ...scenarios.Variant) *scenarios.Observation {
	c := *o
	c.Effect, c.Look, c.Variants = effect, "look", variants
	return &c
}

// variant is a variant of an act.
func variant(args string, o scenarios.Outcome, effect scenarios.Effect) scenarios.Variant {
	return scenarios.Variant{Args: args, Report: scenarios.Report{Outcome: o, Call: "act", Effect: effect, Look: "look"}}
}

// effectCases are about what a probe saw of its act, and about its variants.
func effectCases(t *testing.T) (cases []judgeCase) {
	const done, nothing = scenarios.Happened, scenarios.Nothing
	do := scenarios.Act{Do: func(context.Context, scenarios.Env) scenarios.Report { return scenarios.Report{} }}
	checked := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem", ShadowedBy: []scenarios.Shadow{{Reason: "tracefs"}}}, Act: do}}
	unchecked := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem", Expect: scenarios.Unchecked}, Act: do}}
	gap := scenarios.Row{ID: "p", Probe: scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem", Expect: scenarios.Gap}, Act: do}}
	allowed, denied, named := saw(scenarios.Allowed), saw(scenarios.Denied), saw(scenarios.Denied, denialLine)
	control := looked(allowed, done)
	v := func(o scenarios.Outcome, effect scenarios.Effect) scenarios.Variant { return variant("v", o, effect) }
	reached := looked(allowed, done, v(scenarios.Allowed, done))
	for _, tc := range []struct {
		name          string
		row           scenarios.Row
		setting       string
		control, seen *scenarios.Observation
		want          Verdict
	}{
		{"denied, and nothing happened", checked, "integrity", control, looked(named, nothing), Enforced},
		{"denied, named, and it happened", checked, "integrity", control, looked(named, done), Leak},
		{"denied, not named, and it happened", checked, "integrity", control, looked(denied, done), Leak},
		{"denied, and not looked", checked, "integrity", control, named, Unproven},
		{"denied, and the control did not look", checked, "integrity", allowed, named, Enforced},
		{"denied with nothing happened in the control", checked, "integrity", looked(allowed, nothing), looked(named, nothing), Unproven},
		{"allowed, and it happened", checked, "integrity", control, control, Leak},
		{"allowed, and nothing happened", checked, "integrity", control, looked(allowed, nothing), Unproven},
		{"open, and it happened", unchecked, "integrity", control, control, Open},
		{"open, and nothing happened", unchecked, "integrity", control, looked(allowed, nothing), Unproven},
		{"gap, and nothing happened", gap, "integrity", control, looked(allowed, nothing), Unproven},

		{"variant denied", checked, "integrity", reached, looked(named, nothing, v(scenarios.Denied, nothing)), Enforced},
		{"variant allowed", checked, "integrity", reached, looked(named, nothing, v(scenarios.Allowed, done)), Leak},
		{"variant denied, and it happened", checked, "integrity", reached, looked(named, nothing, v(scenarios.Denied, done)), Leak},
		{"variant allowed, and nothing happened", checked, "integrity", reached, looked(named, nothing, v(scenarios.Allowed, nothing)), Unproven},
		{"variant denied, and not looked", checked, "integrity", reached, looked(named, nothing, v(scenarios.Denied, "")), Unproven},
		{"variant failed", checked, "integrity", reached, looked(named, nothing, v(scenarios.Failed, "")), Unproven},
		{"variant did not run", checked, "integrity", reached, looked(named, nothing), Unproven},
		{"variants died", checked, "integrity", reached, looked(named, nothing, variant("all variants", scenarios.Failed, "")), Unproven},
		{"variant that the control did not reach", checked, "integrity", looked(allowed, done, v(scenarios.Failed, "")), looked(named, nothing, v(scenarios.Allowed, done)), Enforced},
		{"variant without effect in the control", checked, "integrity", looked(allowed, done, v(scenarios.Allowed, nothing)), looked(named, nothing, v(scenarios.Allowed, nothing)), Enforced},
		{"variants of a reason that is not locked", checked, "kexec@runtime", reached, control, Open},
	} {
		guest := Guest{Arch: "x86_64", Setting: setting(t, tc.setting)}
		cases = append(cases, judgeCase{tc.name, evidence{row: tc.row, guest: guest, control: tc.control, observed: tc.seen}, tc.want})
	}
	acts := Guest{Arch: "x86_64", Setting: setting(t, "integrity"), ActsOnly: true}
	return append(cases, judgeCase{"a guest that runs no variants", evidence{row: checked, guest: acts, control: reached, observed: looked(named, nothing)}, Enforced})
}
