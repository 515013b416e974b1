package initramfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
)

// A Config says what goes into an image.
type Config struct {
	Arch  *arch.Arch
	Cache string            // directory for all that is built; made if it is not there
	Shell bool              // with SSH, and u-root's init, shell and core commands
	NoBPF bool              // without what only probes that load BPF programs need
	Files map[string]string // path in the guest -> file on the host, besides; readable by root, not executable

	Content map[string][]byte // path in the guest -> what is in the file, likewise

	// Progress takes one line for whatever takes longer than a blink, or
	// is worth knowing; nil for nobody. It is called from one goroutine.
	Progress func(string)
}

// An Image is a root file system that the kernel can boot from.
type Image struct {
	Path   string // in the cache; not to be changed
	SHA256 string // of the file, in hex
	Size   int64  // bytes
	Cached bool   // it was there already
}

// Build gives the image of the configuration, from the cache where it is
// there and intact. It needs the Go toolchain, and where something is to be
// built the modules that go.mod names, from the module cache or a proxy.
func Build(ctx context.Context, c Config) (Image, error) {
	if err := c.check(); err != nil {
		return Image{}, fmt.Errorf("build initramfs: %w", err)
	}
	img, err := c.build(ctx)
	if err != nil {
		return Image{}, fmt.Errorf("build initramfs for %s: %w", c.Arch.Name, err)
	}
	return img, nil
}

func (c *Config) check() error {
	if c.Arch == nil {
		return errors.New("no architecture")
	}
	if c.Cache == "" {
		return errors.New("no cache directory")
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(c.Files)), slices.Collect(maps.Keys(c.Content))) {
		if !path.IsAbs(name) || path.Clean(name) != name || name == "/" || name == "/init" {
			return fmt.Errorf("guest path %q: not a clean absolute path of a file of its own", name)
		}
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return nil
}

func (c *Config) build(ctx context.Context) (Image, error) {
	tc, err := findToolchain(ctx)
	if err != nil {
		return Image{}, err
	}
	store := store{dir: c.Cache, progress: c.Progress}
	guest, err := guestEntry(tc, c.Arch, c.tags())
	if err != nil {
		return Image{}, err
	}
	// The image's name says what its programs are built from, not what came of
	// it: an image that is there is not asked about them again.
	parts := []string{packVersion, guest.name}
	var shell *entry
	if c.Shell {
		e := shellEntry(tc, c.Arch)
		shell, parts = &e, append(parts, e.name)
	}
	files, err := readFiles(c.Files, c.Content)
	if err != nil {
		return Image{}, err
	}
	for _, f := range files {
		parts = append(parts, f.name, hashOf(f.data))
	}
	return store.get(ctx, entry{
		name: fmt.Sprintf("initramfs-%s-%s.cpio", c.Arch.Name, key(parts...)),
		make: func(ctx context.Context, to string) error { return store.pack(ctx, to, shell, guest, files) },
	})
}

// pack builds what is missing of the programs and writes the image; without a
// shell where that is nil.
func (s store) pack(ctx context.Context, to string, shell *entry, guest entry, files []sourceFile) error {
	program, err := s.get(ctx, guest)
	if err != nil {
		return err
	}
	var commands Image
	if shell != nil {
		if commands, err = s.get(ctx, *shell); err != nil {
			return err
		}
	}
	return pack(to, commands.Path, program.Path, files)
}

// key makes one name of all that decides an entry's content.
func key(parts ...string) string {
	parts = slices.Clone(parts)
	for i, p := range parts {
		parts[i] = fmt.Sprintf("%d:%s", len(p), p)
	}
	return hashOf([]byte(strings.Join(parts, "")))[:16]
}
