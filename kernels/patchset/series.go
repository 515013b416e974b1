package patchset

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"mime/quotedprintable"
	"net/mail"
	"path"
	"regexp"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// A Series is patches that belong together, in the order they are applied.
type Series struct {
	Name     string // of the table, or the path the user gave
	Title    string
	Versions Versions
	Patches  []Patch
}

// A Patch is one message of a series.
type Patch struct {
	Name  string // of the file; with #N for the Nth message of a mailbox
	Data  []byte // what stands in the file: part of the key of a build
	files []*gitdiff.File
}

// SHA256 is a digest of the series, in hex: of the digests of its patches, in
// order.
func (s Series) SHA256() string {
	all := sha256.New()
	for _, p := range s.Patches {
		fmt.Fprintln(all, p.SHA256())
	}
	return fmt.Sprintf("%x", all.Sum(nil))
}

// SHA256 is the digest of the patch's bytes, in hex.
func (p Patch) SHA256() string { return fmt.Sprintf("%x", sha256.Sum256(p.Data)) }

// seriesFile is what series.toml says beside the patches.
type seriesFile struct {
	Title    string `toml:"title"`
	Versions string `toml:"versions"` // base versions that it is for; see ParseVersions
}

// seriesTOML is the file that describes a series.
const seriesTOML = "series.toml"

// ReadFile takes the bytes of a patch file or a mailbox. The name is for
// messages.
func ReadFile(name string, data []byte) (Series, error) {
	patches, err := parsePatches(path.Base(name), data)
	return Series{Name: name, Patches: patches}, err
}

// Read reads a directory of *.patch files, with or without a series.toml.
func Read(fsys fs.FS, name string) (Series, error) {
	s := Series{Name: name}
	if data, err := fs.ReadFile(fsys, seriesTOML); err == nil {
		var f seriesFile
		if err := strict.Decode(data, &f); err != nil {
			return Series{}, fmt.Errorf("read series %s: %s: %w", name, seriesTOML, err)
		}
		if s.Versions, err = ParseVersions(f.Versions); err != nil {
			return Series{}, fmt.Errorf("read series %s: %s: %w", name, seriesTOML, err)
		}
		s.Title = f.Title
	}
	files, err := fs.Glob(fsys, "*.patch")
	if err != nil || len(files) == 0 {
		return Series{}, fmt.Errorf("read series %s: no *.patch file", name)
	}
	for _, file := range files { // Glob sorts
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return Series{}, fmt.Errorf("read series %s: %w", name, err)
		}
		patches, err := parsePatches(file, data)
		if err != nil {
			return Series{}, err
		}
		s.Patches = append(s.Patches, patches...)
	}
	return s, nil
}

// fromLine starts each message of a mailbox as git format-patch and public
// inboxes write it.
var fromLine = regexp.MustCompile(`(?m)^From (?:[0-9a-f]{40}|\S+@\S+) .*\n`)

// parsePatches takes a patch file or a mailbox apart into its messages.
// Messages without a change, such as cover letters, are left out; a file
// without any change is an error.
func parsePatches(name string, data []byte) ([]Patch, error) {
	var starts []int
	for _, loc := range fromLine.FindAllIndex(data, -1) {
		starts = append(starts, loc[0])
	}
	if len(starts) == 0 || starts[0] != 0 {
		starts = append([]int{0}, starts...)
	}
	var patches []Patch
	for i, start := range starts {
		end := len(data)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		p := Patch{Name: name, Data: data[start:end]}
		if len(starts) > 1 {
			p.Name = fmt.Sprintf("%s#%d", name, i+1)
		}
		files, _, err := gitdiff.Parse(bytes.NewReader(decodeMail(p.Data)))
		if err != nil {
			return nil, fmt.Errorf("parse patch %s: %w", p.Name, err)
		}
		if p.files = files; len(files) > 0 {
			patches = append(patches, p)
		}
	}
	if len(patches) == 0 {
		return nil, fmt.Errorf("parse patch %s: no change in it", name)
	}
	return patches, nil
}

// decodeMail undoes the transfer encoding of a message: mail archives keep
// patches in quoted-printable and base64. What is no such message stays as it is.
func decodeMail(data []byte) []byte {
	body := fromLine.ReplaceAll(data[:min(len(data), 256)], nil)
	body = append(body, data[min(len(data), 256):]...)
	msg, err := mail.ReadMessage(bufio.NewReader(bytes.NewReader(body)))
	if err != nil {
		return data
	}
	var r io.Reader
	switch strings.ToLower(msg.Header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		r = quotedprintable.NewReader(msg.Body)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, msg.Body)
	default:
		return data
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return data
	}
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
}
