package initramfs

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/cache"
)

// guestFlags make the program small and static, and its bytes independent of
// where it is built. The linker sets two settings of GODEBUG, because nothing
// sets the environment of PID 1: the runtime sends no signals between its
// threads, because these would interrupt the system calls of the probes, and
// does not watch for processors that come and go.
var guestFlags = []string{
	"build", "-mod=readonly", "-trimpath", "-buildvcs=false",
	"-ldflags=-s -w -buildid= -X=runtime.godebugDefault=asyncpreemptoff=1,updatemaxprocs=0",
}

// tags are the build tags for an image. lean leaves out SSH, and the host's half
// of packages that both sides share: a guest that runs cells needs neither.
// nobpf leaves out the library that assembles BPF programs. Each is a fifth of
// the program or more, which every child of a probe would map and initialize.
func (c *Config) tags() (tags []string) {
	if !c.Shell {
		tags = append(tags, "lean")
	}
	if c.NoBPF {
		tags = append(tags, "nobpf")
	}
	return tags
}

// guestProgram is the guest program for the architecture, from the sources that are
// embedded in this program.
func guestProgram(a *arch.Arch, tags []string) (program, error) {
	files, err := readSource(ldlab.GuestSource)
	if err != nil {
		return program{}, err
	}
	flags := append(slices.Clip(guestFlags), "-tags="+strings.Join(tags, ","))
	return program{
		kind: cache.Guest, name: "guest-" + a.Name + "-%s",
		parts: append([]string{sourceKey(files), a.GOARCH}, flags...),
		slow:  strings.TrimSpace("building the guest program for " + a.Name + " " + strings.Join(tags, " ")),
		make: func(ctx context.Context, tc toolchain, to string) error {
			dir := filepath.Join(filepath.Dir(to), "src")
			if err := writeSource(dir, files); err != nil {
				return err
			}
			args := append(slices.Clip(flags), "-o", to, "./initramfs/guest")
			_, err := runGo(ctx, goCommand{path: tc.path, dir: dir, args: args, env: []string{"GOARCH=" + a.GOARCH}})
			if err != nil {
				return fmt.Errorf("compile guest program: %w", err)
			}
			return nil
		},
	}, nil
}
