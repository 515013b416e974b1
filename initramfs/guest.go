package initramfs

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab"
	"github.com/ldlab/ldlab/internal/arch"
)

// guestFlags make the program small, static and the same wherever it is built.
// Its Go runtime sends no signals between its threads, for they would interrupt
// the system calls that are the probes, and does not look for processors that
// come and go: what GODEBUG would say, had PID 1 somebody to set it.
var guestFlags = []string{
	"build", "-mod=readonly", "-trimpath", "-buildvcs=false",
	"-ldflags=-s -w -buildid= -X=runtime.godebugDefault=asyncpreemptoff=1,updatemaxprocs=0",
}

// tags are the build tags for an image: lean leaves out what a guest that runs
// cells does not use, SSH and the host's half of packages that both sides share;
// nobpf the library that assembles programs for BPF. Each is a fifth of the
// program or more, and every probe's child would be started with it.
func (c *Config) tags() (tags []string) {
	if !c.Shell {
		tags = append(tags, "lean")
	}
	if c.NoBPF {
		tags = append(tags, "nobpf")
	}
	return tags
}

// guestEntry is the guest program for the architecture. It is built from the
// sources that this program carries, not from a checkout.
func guestEntry(tc toolchain, a *arch.Arch, tags []string) (entry, error) {
	files, err := readSource(ldlab.GuestSource)
	if err != nil {
		return entry{}, err
	}
	flags := append(slices.Clip(guestFlags), "-tags="+strings.Join(tags, ","))
	parts := append([]string{sourceKey(files), tc.version, a.GOARCH}, flags...)
	return entry{
		name: fmt.Sprintf("guest-%s-%s", a.Name, key(parts...)),
		slow: strings.TrimSpace("building the guest program for " + a.Name + " " + strings.Join(tags, " ")),
		make: func(ctx context.Context, to string) error {
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
