package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/progress"
)

// A Cache keeps sources. Fetch gets what is not in it.
type Cache struct {
	Dir     string               // the cache's directory
	Refresh bool                 // look for a newer source even if one is in the cache
	Events  func(progress.Event) // progress

	dial func(ctx context.Context, network, address string) (net.Conn, error) // for tests; nil: the network
}

// An Origin is a source tree as it was given to us, never written to.
type Origin struct {
	Root string    `json:"-"` // the tree
	Slot string    `json:"-"` // names working trees of it; fit for make, which dislikes spaces and colons
	dir  *dirIndex // what is in the tree, where that can change; nil where it can't

	Version string // the kernel's: 6.12.117
	Detail  string // package version, commit or path
	SHA256  string // of the .deb, the tarball, the git archive or the listing of the directory
}

// ErrNotFetched says that a source is not in the cache.
var ErrNotFetched = errors.New("source is not in the cache")

// A job is one source on its way into the cache.
type job struct {
	Cache
	source Source
}

// Get gives the source tree. With fetch, what is not in the cache is fetched;
// without, that is ErrNotFetched.
//
// The cache has a directory a source, with a lock: in it, one directory for
// each content that the source had, complete or not there at all.
func (c Cache) Get(ctx context.Context, s Source, fetch bool) (Origin, error) {
	j := &job{c, s}
	slot := filepath.Join(c.Dir, "sources", slotName(s))
	if s.Kind == Dir {
		return j.indexDir(ctx, slot, fetch)
	}
	id, err := currentID(ctx, s, slot)
	if err == nil && id != "" && !j.Refresh {
		if o, err := openOrigin(slot, id); err == nil {
			return o, nil
		}
	}
	switch {
	case err != nil:
		return Origin{}, err
	case !fetch:
		return Origin{}, missing(s)
	}
	unlock, err := host.Lock(ctx, slot, j.Events)
	if err != nil {
		return Origin{}, err
	}
	defer unlock()
	if id, _ := currentID(ctx, s, slot); id != "" && !j.Refresh { // another ldlab may have fetched it meanwhile
		if o, err := openOrigin(slot, id); err == nil {
			return o, nil
		}
	}
	o, err := j.fetch(ctx, slot)
	if err != nil {
		return Origin{}, fmt.Errorf("fetch %s: %w", s, err)
	}
	return o, nil
}

// missing is ErrNotFetched, or says why a fetch would fail as far as a look at
// local files can tell.
func missing(s Source) error {
	if s.Kind == Tarball && !s.remote() {
		if _, err := os.Stat(s.Name); err != nil {
			return invalidf("fetch %s: %w", s, err)
		}
	}
	return ErrNotFetched
}

// fetch gets the source into the slot, whose lock is held.
func (j *job) fetch(ctx context.Context, slot string) (Origin, error) {
	fresh := filepath.Join(slot, "new")
	if err := os.RemoveAll(fresh); err != nil {
		return Origin{}, err
	}
	defer os.RemoveAll(fresh)
	tree := filepath.Join(fresh, "tree")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return Origin{}, err
	}
	var o Origin
	var id string
	var err error
	switch j.source.Kind {
	case Apt:
		o, id, err = j.fetchApt(ctx, slot, fresh)
	case Tarball:
		o, id, err = j.fetchTarball(ctx, fresh)
	case Git:
		o, id, err = j.fetchGit(ctx, fresh)
	}
	if err != nil {
		return Origin{}, err
	}
	if o.Version, err = kernelVersion(tree); err != nil {
		return Origin{}, err
	}
	meta, err := json.MarshalIndent(o, "", "\t")
	if err != nil {
		return Origin{}, err
	}
	if err := os.WriteFile(filepath.Join(fresh, "origin.json"), meta, 0o644); err != nil {
		return Origin{}, err
	}
	if err := os.RemoveAll(filepath.Join(slot, id)); err != nil {
		return Origin{}, err
	}
	if err := os.Rename(fresh, filepath.Join(slot, id)); err != nil {
		return Origin{}, err
	}
	if err := renameio.WriteFile(filepath.Join(slot, "current"), []byte(id), 0o644); err != nil {
		return Origin{}, err
	}
	return openOrigin(slot, id)
}

// currentID names the content that the source has now, as far as can be told
// without a network; empty where it was never fetched.
func currentID(ctx context.Context, s Source, slot string) (string, error) {
	if s.Kind == Git { // the revision may have moved
		return gitCommit(ctx, s)
	}
	id, err := os.ReadFile(filepath.Join(slot, "current"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(id), err
}

func openOrigin(slot, id string) (Origin, error) {
	o := Origin{Root: filepath.Join(slot, id, "tree"), Slot: filepath.Base(slot) + "-" + id}
	meta, err := os.ReadFile(filepath.Join(slot, id, "origin.json"))
	if err == nil {
		err = json.Unmarshal(meta, &o)
	}
	return o, err
}

// slotName names a source's place in the cache.
func slotName(s Source) string {
	switch s.Kind {
	case Apt:
		return host.Fit("apt-" + s.Name)
	case Tarball:
		return "tarball-" + s.SHA256[:16]
	}
	return host.Fit(fmt.Sprintf("%s-%s-%s", s.Kind, filepath.Base(s.Name), host.Sum([]byte(s.Name))[:8]))
}

var versionLine = regexp.MustCompile(`(?m)^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(.*?) *$`)

// kernelVersion reads the version out of a kernel tree's Makefile. A tree
// without one is no kernel tree.
func kernelVersion(tree string) (string, error) {
	data, err := os.ReadFile(filepath.Join(tree, "Makefile"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", invalidf("not a kernel tree: no Makefile")
	}
	if err != nil {
		return "", invalidf("not a kernel tree: %w", err)
	}
	part := map[string]string{}
	for _, m := range versionLine.FindAllStringSubmatch(string(data[:min(len(data), 1024)]), -1) {
		part[m[1]] = m[2]
	}
	if part["VERSION"] == "" || part["PATCHLEVEL"] == "" {
		return "", invalidf("not a kernel tree: Makefile has no VERSION and PATCHLEVEL")
	}
	if _, err := os.Stat(filepath.Join(tree, "Kconfig")); err != nil {
		return "", invalidf("not a kernel tree: %w", err)
	}
	v := part["VERSION"] + "." + part["PATCHLEVEL"]
	if part["SUBLEVEL"] != "" {
		v += "." + part["SUBLEVEL"]
	}
	return v + strings.TrimSpace(part["EXTRAVERSION"]), nil
}
