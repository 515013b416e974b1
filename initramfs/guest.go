package initramfs

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/ldlab/ldlab"
	"github.com/ldlab/ldlab/internal/arch"
)

// guestFlags make the program small, static and the same wherever it is built.
var guestFlags = []string{"build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid= -X=runtime.godebugDefault=asyncpreemptoff=1,updatemaxprocs=0,containermaxprocs=0"}

// buildGuest gives the guest program for the architecture. It is built from
// the sources that this program carries, not from a checkout.
func buildGuest(ctx context.Context, s store, tc toolchain, a *arch.Arch) (Image, error) {
	files, err := readSource(ldlab.GuestSource)
	if err != nil {
		return Image{}, err
	}
	parts := append([]string{sourceKey(files), tc.version, a.GOARCH}, guestFlags...)
	return s.get(ctx, entry{
		name: fmt.Sprintf("guest-%s-%s", a.Name, key(parts...)),
		slow: "building the guest program for " + a.Name,
		make: func(ctx context.Context, to string) error {
			dir := filepath.Join(filepath.Dir(to), "src")
			if err := writeSource(dir, files); err != nil {
				return err
			}
			args := append(append([]string(nil), guestFlags...), "-o", to, "./initramfs/guest")
			_, err := runGo(ctx, goCommand{path: tc.path, dir: dir, args: args, env: []string{"GOARCH=" + a.GOARCH}})
			if err != nil {
				return fmt.Errorf("compile guest program: %w", err)
			}
			return nil
		},
	})
}
