package lockdown

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseReason(t *testing.T) {
	for _, c := range []struct {
		text string
		want Reason
		ok   bool
	}{
		{"LOCKDOWN_KEXEC", "kexec", true},
		{"LOCKDOWN_BPF_READ_KERNEL", "bpf_read_kernel", true},
		{"LOCKDOWN_FROM_TOMORROW", "from_tomorrow", true},
		{"LOCKDOWN_", "", false},
		{"KEXEC", "", false},
		{"LOCKDOWN_what", "", false},
		{"what", "", false},
		{"", "", false},
	} {
		if got, ok := ParseReason(c.text); got != c.want || ok != c.ok {
			t.Errorf("%q is %q, %v; want %q, %v", c.text, got, ok, c.want, c.ok)
		}
	}
	for _, i := range Reasons() {
		if got, ok := ParseReason("LOCKDOWN_" + strings.ToUpper(string(i.Reason))); !ok || got != i.Reason {
			t.Errorf("%s comes back as %q, %v", i.Reason, got, ok)
		}
	}
}

func TestSiteWhere(t *testing.T) {
	if got := (Site{Name: "f+0x1/0x2", File: "a/b.c", Function: "g"}).Where(); got != "a/b.c:g" {
		t.Errorf("a site is at %q", got)
	}
	if got := (Site{Name: "f+0x1/0x2"}).Where(); got != "" {
		t.Errorf("a site without source is at %q", got)
	}
	if got := (SourceSite{File: "a/b.c", Function: "g"}).Where(); got != "a/b.c:g" {
		t.Errorf("a source site is at %q", got)
	}
}

// TestSitesJSON: unknown fields are left out of the file.
func TestSitesJSON(t *testing.T) {
	data, err := json.Marshal(Sites{Present: []Site{{Name: "f+0x1/0x2 [m]", Module: "m"}}, Source: []SourceSite{{"a.c", "f", 3, "kexec"}}})
	want := `{"Present":[{"Name":"f+0x1/0x2 [m]","Module":"m"}],"Source":[{"File":"a.c","Function":"f","Line":3,"Reason":"kexec"}]}`
	if err != nil || string(data) != want {
		t.Errorf("%s, %v; want %s", data, err, want)
	}
}
