// Package about tells what this program was built from, and what it has.
package about

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/initramfs"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// commit and commitTime are set by the linker where the Go toolchain stamps no commit,
// because it does not look into a linked work tree, or builds from an archive. commit
// ends in -dirty if the tree was modified.
var commit, commitTime string

// A Build is what this program was built from.
type Build struct {
	Version  string // of the module: a tag, or what Go makes of a commit; (devel) if it knows neither
	Commit   string // empty: not known
	Time     string // of the commit, RFC 3339; empty: not known
	Modified bool   // the tree was not that of the commit
}

// Built tells what this program was built from.
func Built() Build {
	b := Build{Version: "(devel)"}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.Version = cmp.Or(info.Main.Version, b.Version)
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.Time = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if b.Commit == "" {
		b.Commit, b.Modified = strings.CutSuffix(commit, "-dirty")
		b.Time = commitTime
	}
	if module.IsPseudoVersion(b.Version) && b.Commit == "" { // go install ...@VERSION
		b.Commit, _ = module.PseudoVersionRev(b.Version)
		if t, err := module.PseudoVersionTime(b.Version); err == nil {
			b.Time = t.Format(time.RFC3339)
		}
	}
	return b
}

// Version is the lab's version in results: that of the module, or the commit.
func Version() string {
	b := Built()
	if b.Version != "(devel)" || b.Commit == "" {
		return b.Version
	}
	text := fmt.Sprintf("(devel) %.12s", b.Commit)
	if b.Modified {
		text += "+dirty"
	}
	return text
}

// tables are the digests of what is in this program and decides what is run, and what
// its verdicts are.
func tables() []struct{ name, digest string } {
	var probes []string
	for _, r := range scenarios.Rows() {
		probes = append(probes, r.ID)
	}
	return []struct{ name, digest string }{
		{"probes", matrix.RowsDigest(probes)}, {"kernels", kernels.TablesDigest()}, {"findings", findings.LibraryDigest()},
	}
}

// Digest is the digest (sha256, hex) of all tables.
func Digest() string {
	sum := sha256.New()
	for _, t := range tables() {
		fmt.Fprintf(sum, "%s %s\n", t.name, t.digest)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Text is what --version prints.
func Text() string {
	b := Built()
	lines := []string{"ldlab " + b.Version}
	switch {
	case b.Commit == "":
		lines = append(lines, "commit unknown")
	case b.Modified:
		lines = append(lines, "commit "+b.Commit+", modified")
	default:
		lines = append(lines, "commit "+b.Commit)
	}
	var parts []string
	for _, t := range tables() {
		parts = append(parts, fmt.Sprintf("%s %.12s", t.name, t.digest))
	}
	lines = append(lines, fmt.Sprintf("tables sha256 %s (%s)", Digest(), strings.Join(parts, ", ")))
	guests := "made with the Go toolchain when they are needed"
	if dir := initramfs.DefaultPrebuilt(); initramfs.HasPrebuilt(dir) {
		guests = "in " + dir
	}
	return strings.Join(append(lines, "programs of guests: "+guests, runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH), "\n") + "\n"
}
