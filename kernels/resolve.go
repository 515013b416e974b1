package kernels

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/build"
	"github.com/ldlab/ldlab/kernels/image"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/modules"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
	"github.com/ldlab/ldlab/lockdown"
)

// An InputError is a mistake in something that the user gave: a source, a
// series, an image or a configuration. Programs report it as a usage error.
// Resolve, Builder.Identify and Builder.Build return it; the same mistake is an
// InputError in all three.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// Inputs is what a user gives in addition to the tables or instead of them.
// The zero value gives nothing.
type Inputs struct {
	Version    int      // of each series: of several in a mailbox, the patches of this one ([PATCH v2]); 0: of the highest
	Attachment string   // of a mail with several patches attached: the file that is meant
	Source     string   // text form of a source that replaces each kernel's base; see source.Parse
	Series     []string // patch files, mailboxes and directories of patches, on top of each kernel's own series
	Files      []string // patch files that are one series, after Series
	OnTop      []string // as Series, after Files; for each of them a patch may be missing
	Image      string   // ready kernel image that replaces the tables' kernels
	Config     string   // configuration that Image was built with; empty: not known
	Sites      string   // file with the lockdown call sites of Image; empty: not known
	Modules    string   // directory or package (.deb, .rpm) with the modules of Image; empty: none
	Arch       *arch.Arch
}

// Resolved is what Inputs name, read and checked. It is a plain value: using it
// reads none of the user's files again, so what is planned is what is built.
type Resolved struct {
	Source *Source      // nil: each kernel's own base
	Series []Series     // each has a digest (SHA256) and its patches
	Below  bool         // Series are applied before the lab's own series
	Config string       // a fragment on top of each kernel's own; see Spec.Config
	Image  *image.Image // nil: kernels of the tables
}

// Resolve reads and checks what the user gives. Image needs no Arch: if that is
// nil, the image's own header decides. Every error is an *InputError.
func Resolve(ctx context.Context, in Inputs) (Resolved, error) {
	r, err := resolve(ctx, in)
	if err != nil {
		return Resolved{}, &InputError{err}
	}
	return r, nil
}

func resolve(ctx context.Context, in Inputs) (Resolved, error) {
	var r Resolved
	if in.Source != "" {
		s, err := source.Parse(in.Source)
		if err != nil {
			return Resolved{}, err
		}
		r.Source = &s
	}
	for _, name := range in.Series {
		s, err := readSeries(ctx, name, patchset.Reader{Version: in.Version, Attachment: in.Attachment})
		if err != nil {
			return Resolved{}, err
		}
		r.Series = append(r.Series, s)
	}
	if len(in.Files) > 0 {
		s, err := readFiles(in.Files, patchset.Reader{Version: in.Version, Attachment: in.Attachment})
		if err != nil {
			return Resolved{}, err
		}
		r.Series = append(r.Series, s)
	}
	for _, name := range in.OnTop {
		s, err := readSeries(ctx, name, patchset.Reader{Part: true})
		if err != nil {
			return Resolved{}, err
		}
		r.Series = append(r.Series, s)
	}
	if in.Image != "" {
		i, err := image.Open(in.Image, in.Arch, in.Config, in.Sites)
		if err != nil {
			return Resolved{}, err
		}
		if in.Modules != "" {
			if i.ModulesSHA256, err = modules.Digest(in.Modules); err != nil {
				return Resolved{}, err
			}
			i.Modules = in.Modules
		}
		r.Image = &i
	}
	return r, nil
}

// readSeries reads what a user points at: a patch, a mail or a mailbox, also
// compressed by gzip; a directory of *.patch files with or without a series.toml, or of
// mails; git:PATH@A..B for the commits of a repository; or - for standard input.
func readSeries(ctx context.Context, name string, rd patchset.Reader) (Series, error) {
	if name == "-" {
		return rd.Read("standard input", os.Stdin)
	}
	if r, ok := source.ParseGitRange(name); ok {
		mailbox, base, err := r.Patches(ctx)
		if err != nil {
			return Series{}, err
		}
		at, err := r.At(base)
		if err != nil {
			return Series{}, err
		}
		rd.Commits = true
		s, err := rd.Read(name, bytes.NewReader(mailbox))
		s.Hint.Source = at.String()
		return s, err
	}
	info, err := os.Stat(name)
	if err != nil && strings.HasPrefix(name, "git:") {
		return Series{}, fmt.Errorf("read series %s: commits are git:PATH@A..B with two dots, which are those of B that A has not", name)
	}
	if err != nil {
		return Series{}, fmt.Errorf("read series: %w", err)
	}
	if info.IsDir() {
		return rd.ReadDir(os.DirFS(name), name)
	}
	f, err := os.Open(name)
	if err != nil {
		return Series{}, fmt.Errorf("read series: %w", err)
	}
	defer f.Close()
	return rd.Read(name, f)
}

// readFiles reads files of one series, which the user lists.
func readFiles(names []string, rd patchset.Reader) (Series, error) {
	root, files, err := underRoot(names)
	if err != nil {
		return Series{}, fmt.Errorf("read series: %w", err)
	}
	return rd.ReadFiles(root, files, strings.Join(names, " "))
}

// AreParts reports whether files are parts of one series ([PATCH 1/2] and [PATCH 2/2]),
// and not two versions of one.
func AreParts(names []string) bool {
	root, files, err := underRoot(names)
	return err == nil && patchset.AreParts(root, files)
}

// underRoot gives files as a file system has them; each must be a regular file.
func underRoot(names []string) (root fs.FS, files []string, err error) {
	for _, name := range names {
		full, err := filepath.Abs(name)
		if err != nil {
			return nil, nil, err
		}
		info, err := os.Stat(full)
		if err != nil {
			return nil, nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, nil, fmt.Errorf("%s is not a file; a list of files is one series", name)
		}
		files = append(files, strings.TrimPrefix(filepath.ToSlash(full), "/"))
	}
	return os.DirFS("/"), files, nil
}

// An Identity is what a kernel is made of, as digests. Two kernels with equal
// identities are built from the same bytes, if BaseSHA256 is known. It is a
// plain value that can be printed, stored as JSON and compared.
type Identity struct {
	Kernel    string
	Arch      string
	Interface lockdown.Interface
	Base      string     // name in the table; empty if the user gave the source or a ready image
	Source    string     // text form of the source; path of a ready image
	Version   string     // the kernel's own (6.12.117); empty until the source is in the cache
	Detail    string     // package version, commit or path; empty until the source is in the cache
	SHA256    string     // of the source, or of a ready image; empty until the source is in the cache
	Series    []SeriesID // in the order they are applied
	Sites     string     `json:",omitempty"` // SHA-256 of the file with a ready image's call sites; empty if there is none
	Modules   string     `json:",omitempty"` // digest of a ready image's modules; empty if there are none
	Config    string     // SHA-256 of the fragments in order, or of a ready image's configuration; empty if that is not known
}

// A SeriesID identifies a series of patches. If these depend on the version of
// the source, and the source is not in the cache, its digest and the number of
// patches are not known.
type SeriesID struct {
	Name    string
	SHA256  string // of the digests of its patches, in order
	Patches int
	All     string `json:",omitempty"` // digest of the patches for all versions; empty if they are the same for all
}

// identify identifies a series whose patches are applied to a version; empty: the
// version is not known.
func identify(s Series, version string) SeriesID {
	id := SeriesID{Name: s.Name}
	if s.Varies() {
		id.All = s.SHA256()
	}
	if version != "" || !s.Varies() {
		s = s.At(version)
		id.SHA256, id.Patches = s.SHA256(), len(s.Patches)
	}
	return id
}

// Unversioned is the identity without what depends on the version of the source.
func (s SeriesID) Unversioned() SeriesID {
	if s.All != "" {
		s.SHA256, s.Patches = "", 0
	}
	return s
}

// String is one line: "bitmap (7 patches, sha256 0123456789ab)".
func (s SeriesID) String() string {
	if s.SHA256 == "" {
		return fmt.Sprintf("%s (sha256 of all versions %.12s)", s.Name, s.All)
	}
	patches := "1 patch"
	if s.Patches != 1 {
		patches = fmt.Sprintf("%d patches", s.Patches)
	}
	return fmt.Sprintf("%s (%s, sha256 %.12s)", s.Name, patches, s.SHA256)
}

// Identify returns what a kernel would be made of, without a network and without
// writing into the cache. A source that is not in the cache is named, but has
// no version and no digest; one that is there must have the version that the
// base and the series are for, and the series must apply to it. Errors that
// come from what the user gave are an *InputError.
func (b *Builder) Identify(ctx context.Context, spec Spec) (Identity, error) {
	if spec.Kernel.Ready != "" {
		return b.identifyReady(ctx, spec)
	}
	builder, r, err := b.resolve(spec)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{
		Kernel: r.Kernel, Arch: r.Arch.Name, Interface: r.Interface,
		Base: r.Base, Source: r.Source.String(),
	}
	var fragments []byte
	for _, f := range r.Fragments {
		fragments = append(fragments, f.Data...)
	}
	id.Config = host.Sum(fragments)
	origin, err := builder.Origin(ctx, r)
	if err != nil && !errors.Is(err, source.ErrNotFetched) {
		return Identity{}, blame(spec, err)
	}
	id.Version, id.Detail, id.SHA256 = origin.Version, origin.Detail, origin.SHA256
	for _, s := range r.Series {
		id.Series = append(id.Series, identify(s, id.Version))
	}
	return id, nil
}

// IdentifyImage is the identity of a ready image under a kernel's name.
func IdentifyImage(name string, i image.Image) Identity {
	return Identity{
		Kernel: name, Arch: i.Arch.Name, Interface: i.Interface,
		Source: i.Path, SHA256: i.SHA256, Config: i.ConfigSHA256, Sites: i.SitesSHA256, Modules: i.ModulesSHA256,
	}
}

// blame makes an error an *InputError if it comes from what the user gave.
func blame(spec Spec, err error) error {
	var apply *patchset.ApplyError
	var version *build.VersionError
	var bad *source.InvalidError
	switch {
	case errors.As(err, &bad) && spec.Source != nil,
		errors.As(err, &version) && (spec.Source != nil || spec.users(version.Series)),
		errors.As(err, &apply) && (spec.Source != nil || spec.users(apply.Series)):
		return &InputError{err}
	}
	return err
}

// users reports whether the series is one that the user gave.
func (s Spec) users(name string) bool {
	for _, series := range s.Series {
		if series.Name == name {
			return true
		}
	}
	return false
}
