package kernels

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ldlab/ldlab/kernels/internal/strict"
)

//go:embed sites.toml
var sitesTOML []byte

// siteNeeds is sites.toml: what each file:function needs to be compiled.
var siteNeeds = sync.OnceValues(func() (map[string][]string, error) {
	var f struct {
		Needs map[string][]string `toml:"needs"`
	}
	if err := strict.Decode(sitesTOML, &f); err != nil {
		return nil, fmt.Errorf("read sites.toml: %w", err)
	}
	return f.Needs, nil
})

// WhyAbsent is the reason why a kernel lacks the calls in a file:function of the
// source: "CONFIG_XEN_PRIVCMD is off", "powerpc only". It is empty if no reason
// is known, or if the kernel's configuration is not.
func WhyAbsent(call string, b Built) string {
	needs, err := siteNeeds()
	if err != nil {
		return ""
	}
	return whyAbsent(needs[call], b.ConfigValue, b.Arch.Name)
}

func whyAbsent(needs []string, config func(string) (value string, known bool), arch string) string {
	for _, n := range needs {
		if off, ok := strings.CutSuffix(n, "=n"); ok {
			if value, known := config(off); known && value != "n" {
				return off + " is on"
			}
		} else if strings.HasPrefix(n, "CONFIG_") {
			if value, known := config(n); known && value == "n" {
				return n + " is off"
			}
		} else if one := strings.Split(n, "|"); !slices.Contains(one, arch) {
			return strings.Join(one, ", ") + " only"
		}
	}
	return ""
}
