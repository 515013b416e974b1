package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
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

// A build is what this program was built from.
type build struct {
	version  string // of the module: a tag, or what Go makes of a commit; (devel) if it knows neither
	commit   string // empty: not known
	time     string // of the commit, RFC 3339; empty: not known
	modified bool   // the tree was not that of the commit
}

func built() build {
	b := build{version: "(devel)"}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.version = cmp.Or(info.Main.Version, b.version)
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.commit = s.Value
			case "vcs.time":
				b.time = s.Value
			case "vcs.modified":
				b.modified = s.Value == "true"
			}
		}
	}
	if b.commit == "" {
		b.commit, b.modified = strings.CutSuffix(commit, "-dirty")
		b.time = commitTime
	}
	if module.IsPseudoVersion(b.version) && b.commit == "" { // go install ...@VERSION
		b.commit, _ = module.PseudoVersionRev(b.version)
		if t, err := module.PseudoVersionTime(b.version); err == nil {
			b.time = t.Format(time.RFC3339)
		}
	}
	return b
}

// version is the lab's version in results: that of the module, or the commit.
func version() string {
	b := built()
	if b.version != "(devel)" || b.commit == "" {
		return b.version
	}
	text := fmt.Sprintf("(devel) %.12s", b.commit)
	if b.modified {
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

// versionText is what --version prints.
func versionText() string {
	b := built()
	lines := []string{"ldlab " + b.version}
	switch {
	case b.commit == "":
		lines = append(lines, "commit unknown")
	case b.modified:
		lines = append(lines, "commit "+b.commit+", modified")
	default:
		lines = append(lines, "commit "+b.commit)
	}
	sum := sha256.New()
	var parts []string
	for _, t := range tables() {
		fmt.Fprintf(sum, "%s %s\n", t.name, t.digest)
		parts = append(parts, fmt.Sprintf("%s %.12s", t.name, t.digest))
	}
	lines = append(lines, fmt.Sprintf("tables sha256 %s (%s)", hex.EncodeToString(sum.Sum(nil)), strings.Join(parts, ", ")))
	guests := "made with the Go toolchain when they are needed"
	if dir := initramfs.DefaultPrebuilt(); initramfs.HasPrebuilt(dir) {
		guests = "in " + dir
	}
	return strings.Join(append(lines, "programs of guests: "+guests, runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH), "\n") + "\n"
}

// versionFlag makes --version print versionText, which is only made if it is needed.
func versionFlag(root *cobra.Command) {
	root.Version = version()
	cobra.AddTemplateFunc("ldlabVersion", versionText)
	root.SetVersionTemplate("{{ldlabVersion}}")
}
