package source

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/kernels/internal/host"
)

// A dirIndex lists the files of a directory that is used as a source, with
// the checksum of each. It is kept between runs, so that only files that
// changed are read again.
type dirIndex struct {
	Taken time.Time
	Files map[string]stamp // by slash-separated path
}

// A stamp describes a file as it was read.
type stamp struct {
	Size  int64
	Mtime int64 // ns
	Ctime int64 // ns
	Ino   uint64
	Mode  fs.FileMode // type and permission
	Sum   string      // of the content; of a link's target
}

// racy is how near a change may be to the reading of a file for its time
// stamps to be the same: clocks of file systems tick that seldom.
const racy = time.Second

// indexDir takes stock of a directory. Nothing is written there; build products
// and .git are no part of the source. The index is kept for the next time; with
// write, it is an error if it can't be.
func (j *job) indexDir(ctx context.Context, write bool) (Origin, error) {
	root := j.source.Name
	if _, err := os.Stat(root); err != nil {
		return Origin{}, invalidf("use source %s: %w", j.source, err)
	}
	version, err := kernelVersion(root)
	if err != nil {
		return Origin{}, fmt.Errorf("use source %s: %w", j.source, err)
	}
	names, err := listDir(ctx, root)
	if err != nil {
		return Origin{}, fmt.Errorf("use source %s: %w", j.source, err)
	}
	file := filepath.Join(j.slot, "index")
	old := readIndex(file)
	index := &dirIndex{Taken: time.Now(), Files: make(map[string]stamp, len(names))}
	var listing bytes.Buffer
	changed := len(names) != len(old.Files)
	for _, name := range names {
		s, reused, err := takeStamp(root, name, old)
		if err != nil {
			return Origin{}, fmt.Errorf("use source %s: %w", j.source, err)
		}
		if ctx.Err() != nil {
			return Origin{}, context.Cause(ctx)
		}
		changed = changed || !reused
		index.Files[name] = s
		fmt.Fprintf(&listing, "%s %o %s\n", s.Sum, s.Mode, name)
	}
	if changed {
		if err := writeIndex(file, index); err != nil && write {
			return Origin{}, fmt.Errorf("use cache: %w", err)
		}
	}
	return Origin{
		Root: root, Slot: filepath.Base(j.slot), dir: index,
		Version: version, Detail: root, SHA256: host.Sum(listing.Bytes()),
	}, nil
}

// Build products that a kernel tree may hold, after its .gitignore, which can't
// be used itself: Debian's ignores everything.
var (
	productSuffix = []string{".o", ".a", ".ko", ".cmd", ".mod", ".mod.c", ".dtb", ".dwo", ".gcno"}
	productPath   = []string{
		".git", BuildDir, ".config", ".config.old", ".version", ".vmlinux.*", ".tmp_*",
		"vmlinux", "vmlinux.map", "vmlinux.symvers", "System.map", "Module.symvers", "modules.*",
		"include/config", "include/generated", "arch/*/include/generated",
	}
)

// product reports whether a path is a build product or git's.
func product(name string) bool {
	base := path.Base(name)
	for _, suffix := range productSuffix {
		if strings.HasSuffix(base, suffix) {
			return true
		}
	}
	for _, pattern := range productPath {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

// listDir lists the files of a source tree in a fixed order.
func listDir(ctx context.Context, root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil || file == root {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		switch {
		case product(name) && d.IsDir():
			return filepath.SkipDir
		case !product(name) && !d.IsDir():
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// takeStamp reads a file, unless the old index knows it as it is now.
func takeStamp(root, name string, old *dirIndex) (s stamp, reused bool, err error) {
	file := filepath.Join(root, filepath.FromSlash(name))
	info, err := os.Lstat(file)
	if err != nil {
		return stamp{}, false, err
	}
	s = stamp{Size: info.Size(), Mtime: info.ModTime().UnixNano(), Mode: info.Mode() & (fs.ModeType | fs.ModePerm)}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Ctime, s.Ino = st.Ctim.Nano(), st.Ino
	}
	if was, ok := old.Files[name]; ok {
		s.Sum = was.Sum
		if s == was && time.Unix(0, s.Ctime).Before(old.Taken.Add(-racy)) {
			return s, true, nil
		}
	}
	switch {
	case s.Mode.IsRegular():
		s.Sum, err = host.SumFile(file)
	case s.Mode&fs.ModeSymlink != 0:
		var target string
		target, err = os.Readlink(file)
		s.Sum = host.Sum([]byte(target))
	default:
		err = fmt.Errorf("%s is neither a file nor a link", name)
	}
	return s, false, err
}

// readIndex gives an empty index where there is none, or a damaged one: then
// everything is read again.
func readIndex(file string) *dirIndex {
	data, err := os.ReadFile(file)
	index := &dirIndex{}
	if err != nil || gob.NewDecoder(bytes.NewReader(data)).Decode(index) != nil {
		return &dirIndex{}
	}
	return index
}

func writeIndex(file string, index *dirIndex) error {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(index); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return renameio.WriteFile(file, b.Bytes(), 0o644)
}
