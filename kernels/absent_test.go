package kernels

import (
	"regexp"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/kconfig"
)

func TestWhyAbsent(t *testing.T) {
	config := kconfig.Config{"CONFIG_ON": "y", "CONFIG_MODULE": "m"}
	known := func(symbol string) (string, bool) { return config.Get(symbol), true }
	for _, c := range []struct {
		needs []string
		want  string
	}{
		{nil, ""},
		{[]string{"CONFIG_ON", "CONFIG_MODULE", "arm64"}, ""},
		{[]string{"CONFIG_ON", "CONFIG_OFF"}, "CONFIG_OFF is off"},
		{[]string{"powerpc"}, "powerpc only"},
		{[]string{"sparc|x86_64", "CONFIG_OFF"}, "sparc, x86_64 only"},
		{[]string{"sparc|arm64"}, ""},
		{[]string{"CONFIG_OFF|CONFIG_ON"}, ""},
		{[]string{"CONFIG_ON", "CONFIG_OFF|CONFIG_NONE"}, "CONFIG_OFF is off, and CONFIG_NONE is off"},
		{[]string{"CONFIG_ON=y"}, ""},
		{[]string{"CONFIG_MODULE=y"}, "CONFIG_MODULE is m, not y"},
		{[]string{"CONFIG_OFF=y"}, "CONFIG_OFF is off"},
		{[]string{"CONFIG_OFF=n"}, ""},
		{[]string{"CONFIG_MODULE=n"}, "CONFIG_MODULE is on"},
		{[]string{"sparc|CONFIG_ON"}, ""},
		{[]string{"sparc|x86_64|CONFIG_OFF"}, "sparc, x86_64 only, and CONFIG_OFF is off"},
	} {
		if got := whyAbsent(c.needs, known, "arm64"); got != c.want {
			t.Errorf("%q: %q, want %q", c.needs, got, c.want)
		}
	}
	unknown := func(string) (string, bool) { return "n", false }
	if got := whyAbsent([]string{"CONFIG_OFF"}, unknown, "arm64"); got != "" {
		t.Errorf("of a configuration that is not known: %q", got)
	}
	built := Built{Arch: arch.Get("arm64")}
	if got := WhyAbsent("arch/powerpc/kernel/rtas.c:rtas_call", built); got != "powerpc only" {
		t.Errorf("a row of the table says %q", got)
	}
	if got := WhyAbsent("nowhere.c:f", built); got != "" {
		t.Errorf("a call that is not in the table: %q", got)
	}
}

// The table has nothing but calls, CONFIG symbols and architectures.
func TestSiteNeeds(t *testing.T) {
	table, err := siteNeeds()
	if err != nil || len(table.Needs) < 70 {
		t.Fatalf("%d rows, %v", len(table.Needs), err)
	}
	call := regexp.MustCompile(`^[a-z0-9_/.-]+\.[ch]:[A-Za-z_]\w*$`)
	word := regexp.MustCompile(`^(CONFIG_[A-Z0-9_]+(=[ymn])?|[a-z0-9_]+)(\|(CONFIG_[A-Z0-9_]+(=[ymn])?|[a-z0-9_]+))*$`)
	for c, list := range table.Needs {
		if !call.MatchString(c) {
			t.Errorf("%q is no file:function", c)
		}
		for _, n := range list {
			if !word.MatchString(n) {
				t.Errorf("%s: %q is neither a CONFIG symbol nor architectures", c, n)
			}
		}
	}
}

// Each call that only some sources have is a call of the table.
func TestSomeSites(t *testing.T) {
	table, err := siteNeeds()
	if err != nil {
		t.Fatal(err)
	}
	for where, has := range table.Some {
		if _, ok := table.Needs[where]; !ok || has == "" {
			t.Errorf("%s in [some]: not in [needs], or without the sources that have it", where)
		}
	}
}
