package kernels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/renameio/v2"
)

// An origin is a source tree as it was given to us, never written to.
type origin struct {
	root string    // the tree
	slot string    // names working trees of it; fit for make, which dislikes spaces and colons
	dir  *dirIndex // what is in the tree, where that can change; nil where it can't

	Version string // the kernel's: 6.12.117
	Detail  string // package version, commit or path
	SHA256  string // of the .deb, the tarball, the git archive or the listing of the directory
}

// errNotFetched says that a source is not in the cache.
var errNotFetched = errors.New("source is not in the cache")

// getSource gives the source tree. With fetch, what is not in the cache is
// fetched; without, that is errNotFetched.
//
// The cache has a directory a source, with a lock: in it, one directory for
// each content that the source had, complete or not there at all.
func (j *job) getSource(ctx context.Context, fetch bool) (origin, error) {
	s := j.source
	slot := filepath.Join(j.Cache, "sources", slotName(s))
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
		return origin{}, err
	case !fetch:
		return origin{}, errNotFetched
	}
	unlock, err := j.lock(ctx, slot, j.emit)
	if err != nil {
		return origin{}, err
	}
	defer unlock()
	if id, _ := currentID(ctx, s, slot); id != "" && !j.Refresh { // another ldlab may have fetched it meanwhile
		if o, err := openOrigin(slot, id); err == nil {
			return o, nil
		}
	}
	o, err := j.fetch(ctx, slot)
	if err != nil {
		return origin{}, fmt.Errorf("fetch %s: %w", s, err)
	}
	return o, nil
}

// fetch gets the source into the slot, whose lock is held.
func (j *job) fetch(ctx context.Context, slot string) (origin, error) {
	fresh := filepath.Join(slot, "new")
	if err := os.RemoveAll(fresh); err != nil {
		return origin{}, err
	}
	defer os.RemoveAll(fresh)
	tree := filepath.Join(fresh, "tree")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return origin{}, err
	}
	var o origin
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
		return origin{}, err
	}
	if o.Version, err = kernelVersion(tree); err != nil {
		return origin{}, err
	}
	meta, err := json.MarshalIndent(o, "", "\t")
	if err != nil {
		return origin{}, err
	}
	if err := os.WriteFile(filepath.Join(fresh, "origin.json"), meta, 0o644); err != nil {
		return origin{}, err
	}
	if err := os.RemoveAll(filepath.Join(slot, id)); err != nil {
		return origin{}, err
	}
	if err := os.Rename(fresh, filepath.Join(slot, id)); err != nil {
		return origin{}, err
	}
	if err := renameio.WriteFile(filepath.Join(slot, "current"), []byte(id), 0o644); err != nil {
		return origin{}, err
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

func openOrigin(slot, id string) (origin, error) {
	o := origin{root: filepath.Join(slot, id, "tree"), slot: filepath.Base(slot) + "-" + id}
	meta, err := os.ReadFile(filepath.Join(slot, id, "origin.json"))
	if err == nil {
		err = json.Unmarshal(meta, &o)
	}
	return o, err
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// fit makes a name fit for a path that make can handle.
func fit(name string) string { return unfit.ReplaceAllString(name, "_") }

// slotName names a source's place in the cache.
func slotName(s Source) string {
	switch s.Kind {
	case Apt:
		return fit("apt-" + s.Name)
	case Tarball:
		return "tarball-" + s.SHA256[:16]
	}
	return fit(fmt.Sprintf("%s-%s-%s", s.Kind, filepath.Base(s.Name), sum([]byte(s.Name))[:8]))
}

var versionLine = regexp.MustCompile(`(?m)^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(.*?) *$`)

// kernelVersion reads the version out of a kernel tree's Makefile. A tree
// without one is no kernel tree.
func kernelVersion(tree string) (string, error) {
	data, err := os.ReadFile(filepath.Join(tree, "Makefile"))
	if err != nil {
		return "", fmt.Errorf("not a kernel tree: no Makefile")
	}
	part := map[string]string{}
	for _, m := range versionLine.FindAllStringSubmatch(string(data[:min(len(data), 1024)]), -1) {
		part[m[1]] = m[2]
	}
	if part["VERSION"] == "" || part["PATCHLEVEL"] == "" {
		return "", fmt.Errorf("not a kernel tree: Makefile has no VERSION and PATCHLEVEL")
	}
	if _, err := os.Stat(filepath.Join(tree, "Kconfig")); err != nil {
		return "", fmt.Errorf("not a kernel tree: no Kconfig")
	}
	v := part["VERSION"] + "." + part["PATCHLEVEL"]
	if part["SUBLEVEL"] != "" {
		v += "." + part["SUBLEVEL"]
	}
	return v + strings.TrimSpace(part["EXTRAVERSION"]), nil
}
