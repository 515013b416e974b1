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

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/progress"
)

// A Cache keeps sources. It is used by one builder at a time.
type Cache struct {
	Store   *cache.Cache
	Refresh bool                 // Get looks for a newer source even if one is in the cache
	Events  func(progress.Event) // progress

	dial func(ctx context.Context, network, address string) (net.Conn, error) // for tests; nil: the network
}

// An Origin is a source as it was given to us, never written to. Close it when
// its tree is not needed any more.
type Origin struct {
	Root string `json:"-"` // the tree; empty if it was removed from the cache
	Slot string `json:"-"` // names working trees of it; fit for make, which dislikes spaces and colons

	Version string // the kernel's: 6.12.117
	Detail  string // package version, commit or path
	SHA256  string // of the .deb, the tarball, the git archive or the listing of the directory

	dir   *dirIndex    // what is in the tree, if that can change; nil otherwise
	lease *cache.Lease // keeps the tree in the cache
}

// Close lets the cache remove the tree.
func (o Origin) Close() { o.lease.Close() }

// ErrNotFetched is a source that was never fetched.
var ErrNotFetched = errors.New("source is not in the cache")

// A job is one source on its way into the cache.
type job struct {
	Cache
	source Source
	slot   string         // directory of the source in the cache
	lists  []*cache.Lease // of apt's lists

	unreachable string // what apt said of a mirror that it could not read, the last line; empty: nothing
}

func (c Cache) job(s Source) *job {
	return &job{Cache: c, source: s, slot: filepath.Join(c.Store.Dir(), string(cache.Sources), slotName(s))}
}

// Find returns what is known of a source without a network. Its tree may have
// been removed from the cache. The error is ErrNotFetched if the source was
// never fetched, and an *InvalidError if a fetch would fail.
//
// The cache has a directory a source: in it, one entry for each content that
// the source had, and a file beside the entry with what is known of it.
func (c Cache) Find(ctx context.Context, s Source) (Origin, error) {
	j := c.job(s)
	if s.Kind == Dir {
		return j.indexDir(ctx, false)
	}
	id, err := j.currentID(ctx)
	if err != nil {
		return Origin{}, err
	}
	if id != "" {
		if o, err := j.open(ctx, id); !errors.Is(err, ErrNotFetched) {
			return o, err
		}
	}
	return Origin{}, missing(s)
}

// Get gives the source with its tree, and fetches what is not in the cache.
func (c Cache) Get(ctx context.Context, s Source) (Origin, error) {
	j := c.job(s)
	if s.Kind == Dir {
		return j.indexDir(ctx, true)
	}
	if o, err := j.present(ctx); err != nil || o.Root != "" {
		return o, err
	}
	lock, err := c.Store.Lock(ctx, cache.ID{Kind: cache.Sources, Name: filepath.Base(j.slot)})
	if err != nil {
		return Origin{}, err
	}
	defer lock.Close()
	if o, err := j.present(ctx); err != nil || o.Root != "" { // another ldlab fetched it meanwhile
		return o, err
	}
	o, err := j.fetch(ctx)
	if err != nil {
		return Origin{}, fmt.Errorf("fetch %s: %w", s, err)
	}
	return o, nil
}

// present gives the source if its tree is in the cache, and else none.
func (j *job) present(ctx context.Context) (Origin, error) {
	id, err := j.currentID(ctx)
	if err != nil || id == "" || j.Refresh {
		return Origin{}, err
	}
	o, err := j.open(ctx, id)
	if errors.Is(err, ErrNotFetched) {
		return Origin{}, nil
	}
	return o, err
}

// missing is ErrNotFetched, or an *InvalidError if a look at local files shows
// that a fetch would fail.
func missing(s Source) error {
	if s.Kind == Tarball && !s.remote() {
		if _, err := os.Stat(s.Name); err != nil {
			return invalidf("fetch %s: %w", s, err)
		}
	}
	return ErrNotFetched
}

// fetch gets the source into the slot, whose lock is held.
func (j *job) fetch(ctx context.Context) (Origin, error) {
	fresh := filepath.Join(j.slot, "new")
	if err := os.RemoveAll(fresh); err != nil {
		return Origin{}, err
	}
	defer func() {
		os.RemoveAll(fresh)
		j.closeLists()
		os.Remove(j.slot) // if nothing was ever fetched into it
	}()
	tree := filepath.Join(fresh, "tree")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return Origin{}, err
	}
	var o Origin
	var id string
	var err error
	switch j.source.Kind {
	case Apt:
		o, id, err = j.fetchApt(ctx, fresh)
	case Upstream:
		o, id, err = j.fetchUpstream(ctx, fresh)
	case Tarball:
		o, id, err = j.fetchTarball(ctx, fresh)
	case Git:
		o, id, err = j.fetchGit(ctx, fresh)
	case Debian:
		o, id, err = j.fetchDebian(ctx, fresh)
	}
	err = j.stalled(ctx, err)
	if err == nil && j.source.Kind != Debian {
		o.Version, err = kernelVersion(tree)
	}
	if err != nil {
		return Origin{}, err
	}
	if err := j.store(ctx, fresh, id, o); err != nil {
		return Origin{}, err
	}
	return j.open(ctx, id)
}

// store makes what was fetched the source's content. A tree that is there
// already stays as it is, because others may use it.
func (j *job) store(ctx context.Context, fresh, id string, o Origin) error {
	entry := j.entry(id)
	lock, err := j.Store.Lock(ctx, entry)
	if err != nil {
		return err
	}
	defer lock.Close()
	meta, err := json.MarshalIndent(o, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(fresh, originFile), meta, 0o644); err != nil {
		return err
	}
	if old, err := readOrigin(filepath.Join(j.Store.Path(entry), originFile)); err != nil || old.SHA256 != o.SHA256 {
		if err := os.RemoveAll(j.Store.Path(entry)); err != nil {
			return err
		}
		if err := os.Rename(fresh, j.Store.Path(entry)); err != nil {
			return err
		}
	}
	if err := renameio.WriteFile(j.metaFile(id), meta, 0o644); err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(j.slot, "current"), []byte(id), 0o644)
}

// originFile is the file of an entry with its Origin.
const originFile = "origin.json"

func (j *job) entry(id string) cache.ID {
	return cache.ID{Kind: cache.Sources, Name: filepath.Base(j.slot) + "/" + id}
}

// metaFile has the Origin of an entry, and stays when the entry is removed.
func (j *job) metaFile(id string) string { return filepath.Join(j.slot, id+".json") }

func readOrigin(file string) (Origin, error) {
	var o Origin
	meta, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(meta, &o)
	}
	if err == nil && o.SHA256 == "" {
		err = fmt.Errorf("%s is damaged", file)
	}
	return o, err
}

// currentID names the content that the source has now, as far as that is known
// without a network; empty if it was never fetched.
func (j *job) currentID(ctx context.Context) (string, error) {
	if j.source.Kind == Git { // the revision may have moved
		return gitCommit(ctx, j.source)
	}
	id, err := os.ReadFile(filepath.Join(j.slot, "current"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(id), err
}

// open gives a content of the source, with a lease of its tree if that is in
// the cache. The error is ErrNotFetched if nothing is known of it.
func (j *job) open(ctx context.Context, id string) (Origin, error) {
	lease, err := j.Store.Use(ctx, j.entry(id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Origin{}, err
	}
	if err == nil {
		if o, err := readOrigin(filepath.Join(lease.Path, originFile)); err == nil {
			o.Root, o.lease, o.Slot = filepath.Join(lease.Path, "tree"), lease, filepath.Base(j.slot)+"-"+id
			return o, nil
		}
		lease.Close() // damaged: it is fetched again
	}
	o, err := readOrigin(j.metaFile(id))
	if err != nil {
		return Origin{}, ErrNotFetched
	}
	o.Slot = filepath.Base(j.slot) + "-" + id
	return o, nil
}

// slotName names a source's place in the cache.
func slotName(s Source) string {
	switch s.Kind {
	case Apt, Upstream:
		return host.Fit(string(s.Kind) + "-" + s.Name)
	case Debian:
		return host.Fit(string(s.Kind) + "-" + s.Name + "-" + s.Rev)
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
