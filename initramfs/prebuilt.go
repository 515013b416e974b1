package initramfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/cache"
)

// A program is what a guest's image is made of: the guest program, or the archive of
// u-root's commands.
type program struct {
	kind  cache.Kind
	name  string   // in the cache, with %s for its digest
	parts []string // all that decides its content, but the version of the toolchain
	slow  string   // see recipe
	make  func(ctx context.Context, tc toolchain, to string) error
}

// id is its name in the cache if that toolchain made it.
func (p program) id(version string) cache.ID {
	return cache.ID{Kind: p.kind, Name: fmt.Sprintf(p.name, key(append([]string{version}, p.parts...)...))}
}

// file is its name in a directory of prebuilt programs.
func (p program) file() string { return fmt.Sprintf(p.name, key(p.parts...)) + ".zst" }

// prebuiltIndex is the file of such a directory that has a line for each program.
const prebuiltIndex = "index.json"

// A prebuilt is a program that came with this version of the lab.
type prebuilt struct {
	File   string // name of the compressed file
	Go     string // version of the toolchain that made it
	SHA256 string // of the program, in hex
	Size   int64  // of the program, in bytes
}

// DefaultPrebuilt is where a package puts the prebuilt programs: ../lib/ldlab/guests
// beside the directory of this program. Empty: this program's place is not known.
func DefaultPrebuilt() string {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return ""
	}
	return filepath.Join(filepath.Dir(filepath.Dir(self)), "lib", "ldlab", "guests")
}

// recipe makes the program: from the prebuilt one if that is of the same sources and
// flags, and otherwise with the toolchain.
func (c *Config) recipe(ctx context.Context, p program) (recipe, error) {
	before, err := c.find(p)
	if err != nil {
		return recipe{}, err
	}
	if before != nil {
		from := filepath.Join(c.Prebuilt, before.File)
		return recipe{id: p.id(before.Go), make: func(_ context.Context, to string) error { return before.unpack(from, to) }}, nil
	}
	tc, err := findToolchain(ctx)
	if err != nil {
		if _, there := os.Stat(c.Prebuilt); there == nil {
			err = fmt.Errorf("%w, and %s has no program of this version of ldlab", err, c.Prebuilt)
		}
		return recipe{}, err
	}
	return recipe{id: p.id(tc.version), slow: p.slow, make: func(ctx context.Context, to string) error { return p.make(ctx, tc, to) }}, nil
}

// find looks a program up in the directory of prebuilt programs; nil: there is none.
func (c *Config) find(p program) (*prebuilt, error) {
	if c.Prebuilt == "" {
		return nil, nil
	}
	b, err := os.ReadFile(filepath.Join(c.Prebuilt, prebuiltIndex))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []prebuilt
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read prebuilt programs: %s: %w", c.Prebuilt, err)
	}
	for _, f := range list {
		if f.File == p.file() {
			return &f, nil
		}
	}
	return nil, nil
}

// HasPrebuilt reports whether the directory has the programs of every image for this
// version of the lab.
func HasPrebuilt(dir string) bool {
	if dir == "" {
		return false
	}
	if _, err := os.Stat(filepath.Join(dir, prebuiltIndex)); err != nil {
		return false // computing the names takes time, because they are digests of all sources
	}
	c := Config{Prebuilt: dir}
	for _, a := range arch.All() {
		list, err := allPrograms(a)
		if err != nil {
			return false
		}
		for _, p := range list {
			if f, err := c.find(p); err != nil || f == nil {
				return false
			}
		}
	}
	return true
}

// maxPrebuilt bounds a program, in bytes.
const maxPrebuilt = 256 << 20

// unpack writes the program to a file and checks it.
func (f *prebuilt) unpack(from, to string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("unpack prebuilt program: %s: %w", from, err)
		}
	}()
	if f.Size > maxPrebuilt {
		return fmt.Errorf("%d bytes are too many", f.Size)
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return err
	}
	defer z.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, sum), io.LimitReader(z, f.Size+1))
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err == nil && (n != f.Size || hex.EncodeToString(sum.Sum(nil)) != f.SHA256) {
		err = errors.New("it is not the program of the index")
	}
	return err
}

// WritePrebuilt makes the programs of every image, for all architectures, and writes
// them to a directory, compressed. The same sources and toolchain give the same bytes.
// An ldlab that has the directory (Config.Prebuilt) needs no toolchain. Programs come
// from the cache as far as it has them.
func WritePrebuilt(ctx context.Context, cacheDir, dir string, progress func(string)) error {
	if err := writePrebuilt(ctx, Config{Cache: cacheDir, Progress: progress}, dir); err != nil {
		return fmt.Errorf("write prebuilt programs: %w", err)
	}
	return nil
}

func writePrebuilt(ctx context.Context, c Config, dir string) error {
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	opened, err := cache.Open(c.Cache, c.Progress)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	s := &store{cache: opened, progress: c.Progress}
	var list []prebuilt
	for _, a := range arch.All() {
		programs, err := allPrograms(a)
		if err != nil {
			return err
		}
		for _, p := range programs {
			f, err := s.prebuild(ctx, c, p, dir)
			if err != nil {
				return fmt.Errorf("%s: %w", a.Name, err)
			}
			list = append(list, f)
		}
	}
	s.tidy(ctx)
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, prebuiltIndex), append(b, '\n'), 0o644)
}

// allPrograms are those of every image that Build makes for the lab: see Config.
func allPrograms(a *arch.Arch) ([]program, error) {
	list := []program{shellProgram(a)}
	for _, c := range []Config{{Shell: true}, {}, {NoBPF: true}} {
		p, err := guestProgram(a, c.tags())
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// prebuild makes one program and compresses it.
func (s *store) prebuild(ctx context.Context, c Config, p program, dir string) (prebuilt, error) {
	tc, err := findToolchain(ctx)
	if err != nil {
		return prebuilt{}, err
	}
	r, err := c.recipe(ctx, p)
	if err != nil {
		return prebuilt{}, err
	}
	made, lease, err := s.get(ctx, r)
	if err != nil {
		return prebuilt{}, err
	}
	defer lease.Close()
	in, err := os.Open(made.Path)
	if err != nil {
		return prebuilt{}, err
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(dir, p.file()))
	if err != nil {
		return prebuilt{}, err
	}
	// One thread, so that the bytes do not depend on the number of processors.
	z, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err == nil {
		_, err = io.Copy(z, in)
	}
	if err == nil {
		err = z.Close()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return prebuilt{File: p.file(), Go: strings.TrimSpace(tc.version), SHA256: made.SHA256, Size: made.Size}, err
}
