package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// openVirtmeNG has virtme-ng boot the peers' kernel on the host's root file
// system. It takes /dev/kvm wherever it opens, and would hang where that does
// not run guests.
func openVirtmeNG(ctx context.Context, b *bench) (sampler, error) {
	vng, err := b.find("vng", "Debian package virtme-ng of trixie or later, unpacked where -peers says")
	if err != nil {
		return nil, err
	}
	k, err := b.kernel(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := b.workDir("virtme-ng")
	if err != nil {
		return nil, err
	}
	// What the guest read goes into a file of ours: without a udevd, virtme-ng
	// loses its command's output and status.
	answer := filepath.Join(dir, "answer")
	c := command{
		argv: []string{
			vng, "--disable-kvm", "--force-9p", "--cpus", "1", "--memory", "256M", "--rwdir", dir, "--run", k.bzImage,
			"--", "dd", "if=/dev/mem", "of=" + answer, "bs=1", "count=1",
		},
		dir: dir, env: b.env(), limit: peerTimeout,
	}
	return func(ctx context.Context) (float64, error) {
		if err := os.RemoveAll(answer); err != nil {
			return 0, err
		}
		start := time.Now()
		said, err := run(ctx, c)
		took := time.Since(start).Seconds()
		if info, serr := os.Stat(answer); serr != nil || info.Size() != 1 {
			if err == nil {
				err = fmt.Errorf("run vng: the guest's command did not run: %s", lastWords(said))
			}
			return 0, err
		}
		return took, nil
	}, nil
}
