package kernels

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"github.com/ldlab/ldlab/kernels/internal/strict"
)

//go:embed sites.toml
var sitesTOML []byte

// A siteTable is sites.toml.
type siteTable struct {
	Needs map[string][]string `toml:"needs"` // what each file:function needs to be compiled
	Some  map[string]string   `toml:"some"`  // those that only some sources have, and which
}

var siteNeeds = sync.OnceValues(func() (siteTable, error) {
	var f siteTable
	if err := strict.Decode(sitesTOML, &f); err != nil {
		return siteTable{}, fmt.Errorf("read sites.toml: %w", err)
	}
	return f, nil
})

// WhyAbsent is the reason why a kernel lacks the calls in a file:function of the
// source: "CONFIG_XEN_PRIVCMD is off", "powerpc only". It is empty if no reason
// is known, or if the kernel's configuration is not.
func WhyAbsent(call string, b Built) string {
	needs, err := siteNeeds()
	if err != nil {
		return ""
	}
	return whyAbsent(needs.Needs[call], b.ConfigValue, b.Arch.Name)
}

// whyAbsent is the reason of the first word that does not hold.
func whyAbsent(needs []string, config func(string) (value string, known bool), arch string) string {
	for _, n := range needs {
		if why := whyNot(strings.Split(n, "|"), config, arch); why != "" {
			return why
		}
	}
	return ""
}

// whyNot is the reason why none of the alternatives holds: symbols, symbols with a
// value, and architectures.
func whyNot(alternatives []string, config func(string) (value string, known bool), arch string) string {
	var off, arches []string
	for _, a := range alternatives {
		if !strings.HasPrefix(a, "CONFIG_") {
			if a == arch {
				return ""
			}
			arches = append(arches, a)
			continue
		}
		symbol, wanted, exact := strings.Cut(a, "=")
		value, known := config(symbol)
		switch {
		case !known, exact && value == wanted, !exact && value != "n":
			return ""
		case !exact || value == "n":
			off = append(off, symbol+" is off")
		case wanted == "n":
			off = append(off, symbol+" is on")
		default:
			off = append(off, symbol+" is "+value+", not "+wanted)
		}
	}
	if len(arches) > 0 {
		off = append([]string{strings.Join(arches, ", ") + " only"}, off...)
	}
	return strings.Join(off, ", and ")
}

// SiteNeeds lists the words of sites.toml without which the calls in a file:function
// are not compiled; nil if it is not in the table.
func SiteNeeds(site string) ([]string, error) {
	table, err := siteNeeds()
	return table.Needs[site], err
}
