package plan

import "github.com/ldlab/ldlab/matrix"

// Part is the plan with some of its guests, in the plan's order, and with the kernels
// that these boot. It keeps all of the plan's probes, because the guest's program
// depends on them: the results of all parts are then those of the same program. Its
// digest is its own.
func (p *Plan) Part(has func(matrix.Guest) bool) *Plan {
	part := *p
	part.Builds, part.Guests = nil, nil
	boots := map[[2]string]bool{}
	for _, g := range p.Guests {
		if has(g) {
			part.Guests = append(part.Guests, g)
			boots[[2]string{g.Kernel, g.Arch}] = true
		}
	}
	for _, b := range p.Builds {
		if boots[[2]string{b.Kernel.Name, b.Arch.Name}] {
			part.Builds = append(part.Builds, b)
		}
	}
	return &part
}
