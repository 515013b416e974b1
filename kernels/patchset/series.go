package patchset

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// A Series is patches that belong together, in the order they are applied. What
// ReadDir returns may have variants of patches for some kernel versions: Series.At
// gives what is applied to one version.
type Series struct {
	Name     string // in the tables, or the path that the user gave
	Title    string
	Versions Versions
	Patches  []Patch
	Notes    []string             // what was left out, and what is strange in it, a sentence each
	Hint     Hint                 // for which source it is, by its mails
	Fuzz     int                  // lines of context that may differ at either end of a hunk; 0: none, as in git apply
	variants map[string][]variant // by name of the patch; the first one that has the version takes its place
}

// A Patch is one message of a series.
type Patch struct {
	Name    string // of the file; with #N for the Nth message of a mailbox
	Subject string // of the mail, decoded; empty if it is none
	Data    []byte // the bytes of the message: part of the key of a build
	files   []*gitdiff.File
	mail    mail
}

// SHA256 is a digest of the series, in hex: of the digests of its patches, in
// order. If it has variants, they are in the digest.
func (s Series) SHA256() string {
	all := sha256.New()
	for _, p := range s.Patches {
		fmt.Fprintln(all, p.SHA256())
		for _, v := range s.variants[p.Name] {
			fmt.Fprintf(all, "variant %q", v.versions.text)
			if v.patch != nil {
				fmt.Fprint(all, " ", v.patch.SHA256())
			}
			fmt.Fprintln(all)
		}
	}
	return fmt.Sprintf("%x", all.Sum(nil))
}

// SHA256 is the digest of the patch's bytes, in hex.
func (p Patch) SHA256() string { return fmt.Sprintf("%x", sha256.Sum256(p.Data)) }

// Files lists the files that the series changes, adds or removes, sorted. Variants are
// not looked at.
func (s Series) Files() []string {
	var list []string
	for _, p := range s.Patches {
		for _, f := range p.files {
			for _, name := range []string{stripPrefix(f.OldName), stripPrefix(f.NewName)} {
				if name != "" && !slices.Contains(list, name) {
					list = append(list, name)
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// Limits of what is read.
const (
	maxBytes = 32 << 20 // of a series: git's whole v6.12 merge window is less
	maxFiles = 1000     // *.patch files of a directory
)

// ErrTooLarge is in the error of a series that is over a limit.
var ErrTooLarge = fmt.Errorf("it is larger than %d MiB, or has more than %d files", maxBytes>>20, maxFiles)

// A description is what series.toml holds beside the patches.
type description struct {
	Title    string       `toml:"title"`
	Versions string       `toml:"versions"` // base versions that it is for; see ParseVersions
	Cover    string       `toml:"cover"`    // file with the cover letter, which is no patch; empty: none
	Variants []variantRow `toml:"variant"`
}

// seriesTOML is the file that describes a series.
const seriesTOML = "series.toml"

// A Reader reads series. The zero value takes the highest version of each.
type Reader struct {
	Version    int    // takes the patches of this version ([PATCH v2]); 0: of the highest
	Attachment string // takes this file of a mail that has several patches attached
	Part       bool   // the patches go on top of a series, so numbers may be missing
	Commits    bool   // the mails are commits of a repository: each is a patch, in this order
}

// Read is Reader.Read of the zero value.
func Read(name string, r io.Reader) (Series, error) { return Reader{}.Read(name, r) }

// ReadDir is Reader.ReadDir of the zero value.
func ReadDir(fsys fs.FS, name string) (Series, error) { return Reader{}.ReadDir(fsys, name) }

// Read reads a patch file or a mailbox, also one that gzip has compressed, as public
// inboxes send a thread. The name is for messages. In a mailbox, patches are brought
// into the order of their numbers; replies and cover letters are left out, and so are
// all versions of a series but one. A series of which a patch is missing is an
// error, and so is more than 32 MiB.
func (rd Reader) Read(name string, r io.Reader) (Series, error) {
	data, err := readAll(r)
	if err != nil {
		return Series{}, fmt.Errorf("read series %s: %w", name, err)
	}
	all, err := rd.messages(path.Base(name), data)
	if err != nil {
		return Series{}, fmt.Errorf("read series %s: %w", name, err)
	}
	patches, notes, err := rd.arrange(all, false)
	if err != nil {
		return Series{}, fmt.Errorf("read series %s: %w", name, err)
	}
	return Series{Name: name, Patches: patches, Notes: notes, Hint: hintOf(all, patches)}, nil
}

// readAll reads at most 32 MiB, unpacked if it is compressed.
func readAll(r io.Reader) ([]byte, error) {
	const magic = "\x1f\x8b"
	b := bufio.NewReader(r)
	r = b
	if head, _ := b.Peek(len(magic)); string(head) == magic {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		r = z
	}
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err == nil && len(data) > maxBytes {
		err = ErrTooLarge
	}
	return data, err
}

// ReadDir reads a directory of *.patch files, with or without a series.toml.
// Patches are in the order of their numbers ([PATCH 3/7]) if they have some,
// and else of the files' names.
func (rd Reader) ReadDir(fsys fs.FS, name string) (Series, error) {
	s, err := rd.readDir(fsys, name)
	if err != nil {
		return Series{}, fmt.Errorf("read series %s: %w", name, strict.Error(err))
	}
	return s, nil
}

func (rd Reader) readDir(fsys fs.FS, name string) (Series, error) {
	s := Series{Name: name}
	d, described, err := s.describe(fsys)
	if err != nil {
		return Series{}, fmt.Errorf("%s: %w", seriesTOML, err)
	}
	files, err := fs.Glob(fsys, "*.patch")
	files = slices.DeleteFunc(files, func(file string) bool { return file == d.Cover })
	mails := err == nil && len(files) == 0 && !described
	if mails {
		files, err = maildir(fsys)
	}
	if err != nil || len(files) == 0 {
		return Series{}, errors.New("no *.patch file, and no mail as a maildir has it")
	}
	all, left, err := rd.readFiles(fsys, "", files) // Glob sorts
	if err != nil {
		return Series{}, err
	}
	if described {
		for _, f := range all { // it names its cover letter, so that each other file is a patch
			if f.err != nil {
				return Series{}, f.err
			}
		}
	}
	if s.Patches, s.Notes, err = rd.arrange(all, !mails); err != nil {
		return s, err
	}
	if s.Hint = hintOf(all, s.Patches); !described {
		return s, nil
	}
	if err := s.readVariants(fsys, d.Variants, left); err != nil {
		return Series{}, fmt.Errorf("%s: %w", seriesTOML, err)
	}
	return s, nil
}

// readFiles takes files apart into their messages. left is how many more bytes may be
// read. Messages name the files by their path under a directory.
func (rd Reader) readFiles(fsys fs.FS, under string, files []string) (all []found, left int, err error) {
	if len(files) > maxFiles {
		return nil, 0, ErrTooLarge
	}
	left = maxBytes
	for _, file := range files {
		data, err := readLimited(fsys, file, left)
		if err != nil {
			return nil, 0, err
		}
		left -= len(data)
		more, err := rd.messages(strings.TrimPrefix(file, under), data)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, more...)
	}
	return all, left, nil
}

// ReadFiles reads files of one series, as git format-patch writes them: patches are in
// the order of their numbers if they have some, and else of the list.
func (rd Reader) ReadFiles(fsys fs.FS, files []string, name string) (Series, error) {
	all, _, err := rd.readFiles(fsys, path.Dir(files[0])+"/", files)
	var s Series
	if err == nil {
		s.Patches, s.Notes, err = rd.arrange(all, true)
	}
	if err != nil {
		return Series{}, fmt.Errorf("read series %s: %w", name, strict.Error(err))
	}
	s.Name, s.Hint = name, hintOf(all, s.Patches)
	return s, nil
}

// AreParts reports whether each of the files is another part of one version of one
// series ([PATCH 1/2] and [PATCH 2/2]).
func AreParts(fsys fs.FS, files []string) bool {
	seen := map[int]bool{}
	var first found
	for i, file := range files {
		all, _, err := Reader{}.readFiles(fsys, "", []string{file})
		if err != nil || len(all) != 1 || all[0].err != nil {
			return false
		}
		f := all[0]
		if i == 0 {
			first = f
		}
		if f.number < 0 || seen[f.number] || f.version != first.version || f.total != first.total {
			return false
		}
		seen[f.number] = true
	}
	return true
}

// maildir lists the mails of a directory as b4, lei, notmuch and mail programs write
// it: one file a mail, in cur and new or in the directory itself.
func maildir(fsys fs.FS) (files []string, err error) {
	for _, pattern := range []string{"new/*", "cur/*", "*.eml", "*.mbx", "*:2,*"} {
		more, err := fs.Glob(fsys, pattern)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return slices.DeleteFunc(files, func(name string) bool {
		info, err := fs.Stat(fsys, name)
		return err != nil || !info.Mode().IsRegular()
	}), nil
}

// describe reads series.toml. A series need not have one, but one that cannot
// be read is an error: its versions would be taken for any.
func (s *Series) describe(fsys fs.FS) (d description, found bool, err error) {
	data, err := fs.ReadFile(fsys, seriesTOML)
	if errors.Is(err, fs.ErrNotExist) {
		return d, false, nil
	}
	if err != nil {
		return d, false, err
	}
	if err := strict.Decode(data, &d); err != nil {
		return d, false, err
	}
	if d.Cover != "" {
		if _, err := fs.Stat(fsys, d.Cover); err != nil {
			return d, false, fmt.Errorf("cover: %w", err)
		}
	}
	s.Title = d.Title
	s.Versions, err = ParseVersions(d.Versions)
	return d, true, err
}

func readLimited(fsys fs.FS, name string, limit int) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(data) > limit {
		err = ErrTooLarge
	}
	return data, err
}
