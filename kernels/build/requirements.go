package build

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/proc"
)

// A Requirement is something of the host that building a kernel needs.
type Requirement struct {
	Name    string // command, or header as C includes it
	Package string // Debian package that has it
	Why     string // one line
	header  bool
	better  bool // builds work without it, but are slower, or one kernel cannot be built
}

// Optional reports whether a build works without it.
func (r Requirement) Optional() bool { return r.better }

// Met reports whether the host has it.
func (r Requirement) Met(ctx context.Context) bool {
	if !r.header {
		_, err := exec.LookPath(r.Name)
		return err == nil
	}
	// Only the compiler knows its header directories: Debian has some headers
	// in a directory of the architecture.
	return proc.Run(ctx, proc.Command{Argv: []string{"gcc", "-fsyntax-only", "-include", r.Name, "-x", "c", "/dev/null"}}) == nil
}

// Requirements lists what building kernels for the architecture on this host
// needs, in the order in which the build would miss it.
func Requirements(a *arch.Arch) []Requirement {
	list := []Requirement{
		{Name: "make", Package: "make", Why: "builds the kernel"},
		{Name: "gcc", Package: "gcc", Why: "compiles the kernel and its host programs"},
		{Name: "sys/types.h", Package: "libc6-dev", Why: "host programs of the kernel build", header: true},
		{Name: "flex", Package: "flex", Why: "Kconfig's parser"},
		{Name: "bison", Package: "bison", Why: "Kconfig's parser"},
		{Name: "bc", Package: "bc", Why: "kernel/time/timeconst.bc"},
		{Name: "openssl/opensslv.h", Package: "libssl-dev", Why: "certs/extract-cert: the lab's key", header: true},
		{Name: "gelf.h", Package: "libelf-dev", Why: "objtool", header: true},
		{Name: "perl", Package: "perl", Why: "the kernel's assembler generators and checks"},
		{Name: "tar", Package: "tar", Why: "unpacks sources"},
		{Name: "xz", Package: "xz-utils", Why: "unpacks sources"},
		{Name: "dpkg-deb", Package: "dpkg", Why: "unpacks Debian source packages"},
		{Name: "apt-get", Package: "apt", Why: "fetches Debian source packages"},
	}
	if !a.Native() {
		list = append(list, Requirement{Name: a.CrossPrefix + "gcc", Package: a.CrossPackage, Why: "compiles kernels for " + a.Name})
	}
	return append(list,
		Requirement{Name: "ccache", Package: "ccache", Why: "builds again what was built before", better: true},
		Requirement{Name: "pahole", Package: "dwarves", Why: "the BTF of the kernel wide; the others are built without", better: true})
}

// checkRequirements is the pre-flight check of a build.
func checkRequirements(ctx context.Context, a *arch.Arch) error {
	for _, r := range Requirements(a) {
		if !r.better && !r.Met(ctx) {
			return fmt.Errorf("build kernel for %s: no %s on this machine; %s", a.Name, r.Name, missingHint(ctx, a))
		}
	}
	return nil
}
