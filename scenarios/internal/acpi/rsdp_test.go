package acpi

import (
	"encoding/binary"
	"testing"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestRootTables follows the addresses from the RSDP to each table, and checks the
// sums that the kernel checks.
func TestRootTables(t *testing.T) {
	b := RootTables()
	word := func(at int) int { return int(binary.LittleEndian.Uint32(b[at:])) }
	if string(b[:8]) != "RSD PTR " || sum(b[:20]) != 0 {
		t.Fatalf("RSDP %q adds up to %#x", b[:20], sum(b[:20]))
	}
	check := func(at int, signature string) int {
		at -= RSDPAt
		if got := string(b[at : at+4]); got != signature {
			t.Fatalf("table at %#x is %q, not %q", at, got, signature)
		}
		if n := word(at + 4); signature != "FACS" && sum(b[at:at+n]) != 0 {
			t.Errorf("%s adds up to %#x", signature, sum(b[at:at+n]))
		}
		return at
	}
	root := check(word(16), "RSDT")
	if n := word(root + 4); n != HeaderSize+3*4 {
		t.Fatalf("RSDT has %d bytes", n)
	}
	f := check(word(root+HeaderSize), "FACP")
	check(word(f+36), "FACS")
	d := check(word(f+40), "DSDT")
	check(word(root+HeaderSize+4), "APIC")
	check(word(root+HeaderSize+8), "SSDT")
	// The lengths of the terms in the DSDT end where it ends.
	for _, term := range []struct{ at, op int }{{HeaderSize + 12, 1}, {HeaderSize + 12 + 3 + len(`\_SB_`), 2}} {
		at := d + term.at + term.op
		n := int(b[at]&0xf) | int(b[at+1])<<4
		if b[at]>>6 != 1 || at+n != d+word(d+4) {
			t.Errorf("a term of %d bytes at %#x does not end at %#x", n, at-d, word(d+4))
		}
	}
}

func TestJudgeRSDP(t *testing.T) {
	const refused = "<5>[    0.1] Lockdown: swapper: modifying ACPI tables is restricted; see man kernel_lockdown.7\n"
	const taken = "ACPI: RSDP 0x00000000000F59E0 000014 (v00 BOCHS )\n"
	for _, c := range []struct {
		log         string
		has, tables bool
		outcome     observe.Outcome
		effect      observe.Effect
	}{
		{taken, true, true, observe.Allowed, observe.Happened},
		{refused + taken, false, true, observe.Denied, observe.Nothing},
		{refused + taken, true, true, observe.Allowed, observe.Happened}, // the line is that of efivar_ssdt=
		{taken, false, true, observe.Failed, observe.Nothing},
		{"", false, false, observe.Unavailable, ""},
	} {
		r := judgeRSDP(c.log, c.has, c.tables, "look")
		if r.Outcome != c.outcome || r.Effect != c.effect {
			t.Errorf("%q, %v, %v: %s, %q, want %s, %q", c.log, c.has, c.tables, r.Outcome, r.Effect, c.outcome, c.effect)
		}
	}
}
