// Package cache keeps what is expensive to make: sources, kernels, images of
// guests. Each entry has a kind and a name, which holds a digest of all that
// decides its content. An entry appears whole or not at all, is checked against
// its checksum, is locked while it is used, and is removed when the cache grows
// too large and it was not used for long.
package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// A Kind is what an entry is.
type Kind string

const (
	Sources   Kind = "sources"   // pristine kernel source; the name is slot/content
	Lists     Kind = "lists"     // apt's lists of packages, which every source of apt shares
	Trees     Kind = "trees"     // working tree, in which kernels are built
	Kernels   Kind = "kernels"   // a kernel with its payloads, and SHA256SUMS
	Initramfs Kind = "initramfs" // root file system of a guest
	Guest     Kind = "guest"     // the guest's program
	Shell     Kind = "shell"     // commands of the guest that ldlab shell boots
	Variables Kind = "variables" // UEFI's variables of a guest
	Tables    Kind = "tables"    // ACPI tables in the memory of a guest
	Images    Kind = "images"    // a kernel that was taken out of a ready image which QEMU cannot boot
	Bundles   Kind = "bundles"   // what a bundle has: a plan, kernels and root file systems
	Templates Kind = "templates" // a booted guest that others are forked from
	Verdicts  Kind = "verdicts"  // whether KVM and forks work on this host
)

// An ID names an entry. Two slashes or more, and names that begin with a dot,
// are not allowed in Name; one slash is, for Sources.
type ID struct {
	Kind Kind
	Name string
}

// String is kind/name.
func (id ID) String() string { return string(id.Kind) + "/" + id.Name }

// A layout is where entries of a kind are, and how they are recognized: files
// that are not ours are never touched.
type layout struct {
	dir      string         // in the cache; ".": in the cache's directory itself
	name     *regexp.Regexp // of entries
	contains []string       // a directory that has one of these is an entry; nil: entries are files
	nested   bool           // entries are one directory deeper
	max      int64          // bytes that Tidy keeps of the kind; 0: no limit but that of the cache
	idle     time.Duration  // Tidy removes what was not used for so long; 0: no limit
}

const day = 24 * time.Hour

var layouts = map[Kind]layout{
	Sources:   {dir: "sources", name: regexp.MustCompile(`^[^./][^/]*/[^./][^/]*$`), contains: []string{"origin.json"}, nested: true},
	Lists:     {dir: "lists", name: regexp.MustCompile(`^(own|deb|deb-src)$`), contains: []string{"state"}, max: 1 << 30, idle: 30 * day},
	Trees:     {dir: "trees", name: regexp.MustCompile(`^[^./][^/]*$`), contains: []string{"state.json", "source"}},
	Kernels:   {dir: "kernels", name: regexp.MustCompile(`^[^./][^/]*-[0-9a-f]{16}$`), contains: []string{"SHA256SUMS"}},
	Initramfs: {dir: ".", name: regexp.MustCompile(`^initramfs-[a-z0-9_]+-[0-9a-f]{16}\.cpio$`), max: 1 << 30, idle: 30 * day},
	Guest:     {dir: ".", name: regexp.MustCompile(`^guest-[a-z0-9_]+-[0-9a-f]{16}$`), max: 1 << 30, idle: 30 * day},
	Shell:     {dir: ".", name: regexp.MustCompile(`^u-root-[a-z0-9_]+-[0-9a-f]{16}\.cpio$`), max: 1 << 30, idle: 30 * day},
	Variables: {dir: ".", name: regexp.MustCompile(`^variables-[0-9a-f]{16}\.fd$`), max: 64 << 20, idle: 30 * day},
	Tables:    {dir: ".", name: regexp.MustCompile(`^tables-[0-9a-f]{16}\.bin$`), max: 64 << 20, idle: 30 * day},
	Images:    {dir: ".", name: regexp.MustCompile(`^kernel-[0-9a-f]{16}\.image$`), max: 1 << 30, idle: 30 * day},
	Bundles:   {dir: "bundles", name: regexp.MustCompile(`^[0-9a-f]{32}$`), contains: []string{"SHA256SUMS"}, idle: 30 * day},
	Templates: {dir: "templates", name: regexp.MustCompile(`^[0-9a-f]{32}\.template$`), max: 4 << 30, idle: 7 * day},
	Verdicts:  {dir: ".", name: regexp.MustCompile(`^(kvm|forks)-[a-z0-9_]+\.json$`)},
}

// Kinds are all kinds, in the order in which they are listed.
func Kinds() []Kind {
	return []Kind{Sources, Lists, Trees, Kernels, Guest, Shell, Initramfs, Variables, Tables, Images, Bundles, Templates, Verdicts}
}

// A Cache is a directory of entries. Besides them it has locks/, a file for
// each entry that was used, whose modification time is the entry's last use;
// tmp/, for entries that are being made or removed; and key/, the lab's signing
// keys, which are no entry.
type Cache struct {
	dir  string
	note func(string)
}

// DefaultDir is $LDLAB_CACHE, or ldlab in the user's cache directory.
func DefaultDir() (string, error) {
	if dir := os.Getenv("LDLAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache: %w; set LDLAB_CACHE", err)
	}
	return filepath.Join(dir, "ldlab"), nil
}

// Open returns the cache in a directory, or in DefaultDir if dir is empty. The
// directory is made when the first entry is. note, which may be nil, gets lines
// for the user: that another ldlab is waited for, that an entry was damaged.
func Open(dir string, note func(string)) (*Cache, error) {
	var err error
	if dir == "" {
		dir, err = DefaultDir()
	} else {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	if note == nil {
		note = func(string) {}
	}
	return &Cache{dir, note}, nil
}

// Dir is the cache's directory, an absolute path.
func (c *Cache) Dir() string { return c.dir }

// Path is where the entry is, if it is there.
func (c *Cache) Path(id ID) string {
	return filepath.Join(c.dir, layouts[id.Kind].dir, filepath.FromSlash(id.Name))
}

// sumPath is the file with the checksum of an entry that is a file.
func (c *Cache) sumPath(id ID) string { return c.Path(id) + ".sum" }

func (id ID) check() error {
	l, ok := layouts[id.Kind]
	if !ok {
		return fmt.Errorf("unknown kind %q", id.Kind)
	}
	slashes := 0
	if l.nested {
		slashes = 1
	}
	if !filepath.IsLocal(id.Name) || strings.HasPrefix(id.Name, ".") || strings.Count(id.Name, "/") > slashes || strings.Contains(id.Name, "/.") {
		return fmt.Errorf("bad name of an entry: %q", id.Name)
	}
	return nil
}

// ErrNotOurs is a cache that belongs to another user, or that others may write
// to: nothing in it is removed.
var ErrNotOurs = errors.New("not ours")

// geteuid is os.Geteuid outside of tests.
var geteuid = os.Geteuid

// openRoot opens the cache's directory for listing and removal, which stay
// within it whatever symbolic links it has. The error is fs.ErrNotExist if there
// is no cache, or ErrNotOurs.
func (c *Cache) openRoot() (*os.Root, error) {
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	info, err := root.Stat(".")
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open cache: %w", err)
	}
	if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != geteuid() {
		root.Close()
		return nil, fmt.Errorf("open cache %s: %w: it belongs to user %d", c.dir, ErrNotOurs, owner)
	}
	if info.Mode().Perm()&0o002 != 0 {
		root.Close()
		return nil, fmt.Errorf("open cache %s: %w: everybody may write to it", c.dir, ErrNotOurs)
	}
	return root, nil
}

// isDir reports whether name is a directory and no symbolic link to one.
func isDir(root *os.Root, name string) bool {
	info, err := root.Lstat(name)
	return err == nil && info.Mode().Type() == fs.ModeDir
}
