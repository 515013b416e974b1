package build

import (
	"fmt"
	"os"

	"github.com/ldlab/ldlab/kernels/internal/callsites"
	"github.com/ldlab/ldlab/lockdown"
)

// Callers lists the ways into the kernel's call sites. It finds them in the image
// and its System.map, which every result has, so nothing is stored, and it takes
// a fraction of a second. They are not known of a ready image, nor of a kernel
// without call sites, nor of a relocatable one; the list is then empty.
func (b Built) Callers() ([]lockdown.Caller, error) {
	sites, err := b.Sites()
	if err != nil || len(sites.Present) == 0 || b.Files["System.map"] == "" || b.HasConfig("CONFIG_RELOCATABLE") {
		return nil, err
	}
	list, err := b.callers(sites)
	if err != nil {
		return nil, fmt.Errorf("find callers in kernel %s: %w", b.Name, err)
	}
	return list, nil
}

func (b Built) callers(sites lockdown.Sites) ([]lockdown.Caller, error) {
	data, err := os.ReadFile(b.Files["System.map"])
	if err != nil {
		return nil, err
	}
	names, err := callsites.ParseSystemMap(data)
	if err != nil {
		return nil, err
	}
	image, err := callsites.ReadImage(b.Image, names)
	if err != nil {
		return nil, err
	}
	return callsites.Callers(image, sites.Present)
}
