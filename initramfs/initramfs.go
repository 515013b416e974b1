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
	"github.com/ldlab/ldlab/internal/cache"
)

// A Config is what goes into an image. Arch and Cache are required.
type Config struct {
	Arch  *arch.Arch
	Cache string            // directory of the cache; made if it is not there
	Shell bool              // with SSH, and u-root's init, shell and core commands
	NoBPF bool              // without the code that only probes that load BPF programs need
	Files map[string]string // further files: path in the guest -> file on the host; mode 0600

	// Prebuilt, if set, is a directory that WritePrebuilt has written, or that does not
	// exist. A program that it has for these sources is taken from it.
	Prebuilt string

	Content map[string][]byte // further files: path in the guest -> content; mode 0600

	// Progress, if set, gets a line before each step that takes a second or more,
	// and one for each damaged file of the cache. It is not called concurrently.
	Progress func(string)
}

// An Image is a root file system that the kernel can boot from.
type Image struct {
	Path   string // in the cache; it must not be changed
	SHA256 string // of the file, in hex
	Size   int64  // bytes
	Cached bool   // it was in the cache, undamaged
}

// Build returns the image of the configuration. An image that is in the cache
// takes 3 ms, the time of its checksum. Otherwise Build needs the programs in
// Prebuilt, or the Go toolchain and the modules that go.mod names, from the module
// cache or a proxy: a second for the guest program, and with Shell a minute or two,
// once, for u-root's commands. If another process builds the same image, Build waits for it as long
// as that takes, or until ctx ends.
//
// The image stays in the cache until this process ends. An error is one line, and
// wraps the context's cause if ctx ended.
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
	names := slices.Sorted(maps.Keys(c.Files))
	for _, name := range slices.Concat(names, slices.Sorted(maps.Keys(c.Content))) {
		if !path.IsAbs(name) || path.Clean(name) != name || name == "/" || name == "/init" {
			return fmt.Errorf("guest path %q: want a clean absolute path, and not /init", name)
		}
	}
	for _, name := range names {
		if _, twice := c.Content[name]; twice {
			return fmt.Errorf("guest path %q: it is in Files and in Content", name)
		}
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return nil
}

func (c *Config) build(ctx context.Context) (Image, error) {
	opened, err := cache.Open(c.Cache, c.Progress)
	if err != nil {
		return Image{}, err
	}
	store := &store{cache: opened, progress: c.Progress}
	source, err := guestProgram(c.Arch, c.tags())
	if err != nil {
		return Image{}, err
	}
	guest, err := c.recipe(ctx, source)
	if err != nil {
		return Image{}, err
	}
	// The image's name has a digest of the sources of its programs, not of the
	// programs: an image that is in the cache needs neither program.
	parts := []string{packVersion, guest.id.Name}
	var shell *recipe
	if c.Shell {
		r, err := c.recipe(ctx, shellProgram(c.Arch))
		if err != nil {
			return Image{}, err
		}
		shell, parts = &r, append(parts, r.id.Name)
	}
	files, err := readFiles(c.Files, c.Content)
	if err != nil {
		return Image{}, err
	}
	for _, f := range files {
		parts = append(parts, f.name, cache.Sum(f.data))
	}
	image, lease, err := store.get(ctx, recipe{
		id:   cache.ID{Kind: cache.Initramfs, Name: fmt.Sprintf("initramfs-%s-%s.cpio", c.Arch.Name, key(parts...))},
		make: func(ctx context.Context, to string) error { return store.pack(ctx, to, shell, guest, files) },
	})
	if err != nil {
		return Image{}, err
	}
	lease.Hold()
	store.tidy(ctx)
	return image, nil
}

// pack builds the programs that are not in the cache and writes the image. A nil
// shell is an image without u-root's commands.
func (s *store) pack(ctx context.Context, to string, shell *recipe, guest recipe, files []sourceFile) error {
	program, lease, err := s.get(ctx, guest)
	if err != nil {
		return err
	}
	defer lease.Close()
	var commands Image
	if shell != nil {
		var lease *cache.Lease
		if commands, lease, err = s.get(ctx, *shell); err != nil {
			return err
		}
		defer lease.Close()
	}
	return pack(to, commands.Path, program.Path, files)
}

// key is a digest of all parts.
func key(parts ...string) string {
	parts = slices.Clone(parts)
	for i, p := range parts {
		parts[i] = fmt.Sprintf("%d:%s", len(p), p)
	}
	return cache.Sum([]byte(strings.Join(parts, "")))[:16]
}
