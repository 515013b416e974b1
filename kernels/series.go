package kernels

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// A series is patches that belong together, in the order they are applied.
type series struct {
	name     string // of the table, or the path the user gave
	title    string
	versions Versions
	patches  []patch
}

// A patch is one message of a series.
type patch struct {
	name  string // of the file; with #N for the Nth message of a mailbox
	data  []byte // what stands in the file: part of the key of a build
	files []*gitdiff.File
}

// seriesFile is what series.toml says beside the patches.
type seriesFile struct {
	Title    string `toml:"title"`
	Versions string `toml:"versions"` // base versions that it is for; see ParseVersions
}

const seriesTOML = "series.toml"

// series reads a series of the table.
func (t *Tables) series(name string) (series, error) {
	sub, err := fs.Sub(t.fsys, path.Join("patches", name))
	if err == nil {
		_, err = fs.Stat(sub, seriesTOML)
	}
	if err != nil {
		return series{}, fmt.Errorf("unknown series %q", name)
	}
	return readSeries(sub, name)
}

// userSeries reads what a user points at: a patch or mailbox, or a directory
// of *.patch files with or without a series.toml.
func userSeries(name string) (series, error) {
	info, err := os.Stat(name)
	if err != nil {
		return series{}, fmt.Errorf("read series: %w", err)
	}
	if info.IsDir() {
		return readSeries(os.DirFS(name), name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return series{}, fmt.Errorf("read series: %w", err)
	}
	patches, err := parsePatches(filepath.Base(name), data)
	return series{name: name, patches: patches}, err
}

func readSeries(fsys fs.FS, name string) (series, error) {
	s := series{name: name}
	if data, err := fs.ReadFile(fsys, seriesTOML); err == nil {
		var f seriesFile
		if err := decode(data, &f); err != nil {
			return series{}, fmt.Errorf("read series %s: %s: %w", name, seriesTOML, err)
		}
		if s.versions, err = ParseVersions(f.Versions); err != nil {
			return series{}, fmt.Errorf("read series %s: %s: %w", name, seriesTOML, err)
		}
		s.title = f.Title
	}
	files, err := fs.Glob(fsys, "*.patch")
	if err != nil || len(files) == 0 {
		return series{}, fmt.Errorf("read series %s: no *.patch file", name)
	}
	for _, file := range files { // Glob sorts
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			return series{}, fmt.Errorf("read series %s: %w", name, err)
		}
		patches, err := parsePatches(file, data)
		if err != nil {
			return series{}, err
		}
		s.patches = append(s.patches, patches...)
	}
	return s, nil
}

// fromLine starts each message of a mailbox as git format-patch and public
// inboxes write it.
var fromLine = regexp.MustCompile(`(?m)^From (?:[0-9a-f]{40}|\S+@\S+) .*\n`)

// parsePatches takes a patch file or a mailbox apart into its messages.
// Messages without a change, such as cover letters, are left out; a file
// without any change is an error.
func parsePatches(name string, data []byte) ([]patch, error) {
	var starts []int
	for _, loc := range fromLine.FindAllIndex(data, -1) {
		starts = append(starts, loc[0])
	}
	if len(starts) == 0 || starts[0] != 0 {
		starts = append([]int{0}, starts...)
	}
	var patches []patch
	for i, start := range starts {
		end := len(data)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		p := patch{name: name, data: data[start:end]}
		if len(starts) > 1 {
			p.name = fmt.Sprintf("%s#%d", name, i+1)
		}
		files, _, err := gitdiff.Parse(bytes.NewReader(decodeMail(p.data)))
		if err != nil {
			return nil, fmt.Errorf("parse patch %s: %w", p.name, err)
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
