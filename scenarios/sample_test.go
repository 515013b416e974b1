package scenarios

import (
	"slices"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

// A sample has every probe of the locked reasons and of lockdown's own files, and
// at least one of each other reason that guests of the architecture can check.
// A level alone has no sample.
func TestSample(t *testing.T) {
	var all []string
	for _, r := range Rows() {
		all = append(all, r.ID)
	}
	setting := func(text string) lockdown.Setting {
		s, err := lockdown.ParseSetting(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, text := range []string{"none", "integrity@boot", "confidentiality@runtime"} {
		if !slices.Equal(Sample(all, setting(text), "x86_64"), all) {
			t.Errorf("%s: the sample is not every probe", text)
		}
	}
	for _, archName := range []string{"x86_64", "arm64"} {
		for _, text := range []string{"dev_mem@runtime", "tracefs@boot", "kexec@runtime", "dev_mem@coco", "dbg_read_kernel@runtime", "integrity,bpf_read_kernel@runtime"} {
			s := setting(text)
			sample := Sample(all, s, archName)
			if n := len(sample); n == 0 || n > len(all)/2 {
				t.Errorf("%s %s: %d of %d probes: no sample", archName, text, n, len(all))
			}
			single := lockdown.Setting{Reasons: s.Reasons}
			has, plain := map[lockdown.Reason]bool{}, map[lockdown.Reason]bool{}
			sites := map[string]bool{}
			for _, r := range Rows() {
				plain[r.Reason] = plain[r.Reason] || r.Expect == Checked && r.On(archName) && r.Machine == Plain && !r.Exclusive
			}
			for _, id := range sample {
				row, _ := Find(id)
				if !single.Locks(row.Reason) && row.Expect == Checked && (row.Exclusive || row.Machine != Plain && (plain[row.Reason] || s.Via != lockdown.Runtime)) {
					t.Errorf("%s %s: %s needs a machine of its own", archName, text, id)
				}
				has[row.Reason] = has[row.Reason] || row.Expect == Checked
				sites[row.Site] = true
			}
			for _, r := range Rows() {
				in := slices.Contains(sample, r.ID)
				if !in && (r.Expect == ABI || len(r.Refusing(single)) > 0 || single.Locks(r.Reason)) {
					t.Errorf("%s %s: %s is left out, and the setting locks its reason", archName, text, r.ID)
				}
				if r.Expect != Checked || !r.On(archName) {
					continue
				}
				if !has[r.Reason] && (plain[r.Reason] || s.Via == lockdown.Runtime) {
					t.Errorf("%s %s: no probe of %s", archName, text, r.Reason)
				}
				if !sites[r.Site] && r.Machine == Plain && !r.Exclusive {
					t.Errorf("%s %s: no probe of the call site %s", archName, text, r.Site)
				}
			}
		}
	}
}
