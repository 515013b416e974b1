package source

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// A Kind is a way to come by a kernel source.
type Kind string

// The kinds of source.
const (
	Apt      Kind = "apt"      // Debian's package of a kernel source, such as linux-source-6.12
	Upstream Kind = "upstream" // the newest release of a series of upstream that Debian has packaged, without Debian's patches
	Dir      Kind = "dir"      // a local directory; what changes there is picked up
	Git      Kind = "git"      // a local git repository at a revision
	Tarball  Kind = "tarball"  // a file or URL with its checksum
	Debian   Kind = "debian"   // packages of a ready kernel, not a source; see ParseDebian
)

// A Source names a kernel source.
type Source struct {
	Kind   Kind
	Name   string // package, series (6.12), path or URL
	Rev    string // Git: the revision; Debian: the architecture as Debian names it
	SHA256 string // Tarball: of the file, in lower-case hex
}

// An InvalidError is a source that does not name a kernel tree: there is no
// such file, directory or revision, it has another checksum, or something else
// is in it. Errors of the network and of the cache are none.
type InvalidError struct{ Err error }

func (e *InvalidError) Error() string { return e.Err.Error() }
func (e *InvalidError) Unwrap() error { return e.Err }

func invalidf(format string, args ...any) error {
	return &InvalidError{fmt.Errorf(format, args...)}
}

// String gives the text form, which Parse takes.
func (s Source) String() string {
	switch s.Kind {
	case Git:
		return fmt.Sprintf("%s:%s@%s", s.Kind, s.Name, s.Rev)
	case Tarball:
		return fmt.Sprintf("%s:%s#sha256=%s", s.Kind, s.Name, s.SHA256)
	}
	return fmt.Sprintf("%s:%s", s.Kind, s.Name)
}

var seriesNumber = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)

// Parse takes the text form of a source: apt:PACKAGE, upstream:SERIES, dir:PATH,
// git:PATH@REV, tarball:PATH#sha256=HEX or tarball:URL#sha256=HEX. Paths
// become absolute.
func Parse(text string) (Source, error) {
	kind, name, _ := strings.Cut(text, ":")
	s := Source{Kind: Kind(kind), Name: name}
	switch s.Kind {
	case Apt, Dir:
	case Upstream:
		if !seriesNumber.MatchString(name) {
			return Source{}, fmt.Errorf("parse source %q: %q is not a series; write upstream:6.12", text, name)
		}
	case Git:
		at := strings.LastIndex(name, "@")
		if at < 0 || at == len(name)-1 {
			return Source{}, fmt.Errorf("parse source %q: no revision; write git:PATH@REV", text)
		}
		s.Name, s.Rev = name[:at], name[at+1:]
		if strings.HasPrefix(s.Rev, "-") {
			return Source{}, fmt.Errorf("parse source %q: %q is not a revision", text, s.Rev)
		}
	case Tarball:
		var ok bool
		s.Name, s.SHA256, ok = strings.Cut(name, "#sha256=")
		if b, err := hex.DecodeString(s.SHA256); !ok || err != nil || len(b) != 32 {
			return Source{}, fmt.Errorf("parse source %q: no checksum; write tarball:PATH#sha256=64 hex digits", text)
		}
		s.SHA256 = strings.ToLower(s.SHA256)
	default:
		return Source{}, fmt.Errorf("parse source %q: unknown kind %q; there are apt, upstream, dir, git and tarball", text, kind)
	}
	if s.Name == "" || strings.HasPrefix(s.Name, "-") {
		return Source{}, fmt.Errorf("parse source %q: %q names nothing", text, s.Name)
	}
	if s.Kind == Apt || s.Kind == Upstream || s.remote() {
		return s, nil
	}
	abs, err := filepath.Abs(s.Name)
	if err != nil {
		return Source{}, fmt.Errorf("parse source %q: %w", text, err)
	}
	s.Name = abs
	return s, nil
}

// remote reports whether a tarball is to be downloaded.
func (s Source) remote() bool {
	return s.Kind == Tarball && (strings.HasPrefix(s.Name, "https://") || strings.HasPrefix(s.Name, "http://"))
}
