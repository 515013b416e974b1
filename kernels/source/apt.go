package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// An aptState is a state and a cache of apt of its own: neither root nor a change
// to the machine's are needed. Signatures and checksums are apt's to verify.
type aptState struct {
	job     *job
	dir     string
	options []string
}

// debianKeyring has the keys of Debian's archive, where the package of that name is
// installed.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// suites are those of Debian's archive that have kernels, by the label of the
// archive in its Release files. These names stay when Debian releases; a mirror
// that lacks some of them is as good.
var suites = map[string][]string{
	"Debian": {
		"oldstable", "oldstable-updates", "oldstable-backports", "stable", "stable-updates", "stable-backports", "unstable", "experimental",
	},
	"Debian-Security": {"oldstable-security", "stable-security"},
}

// ownApt has the lists of the apt sources that the machine is configured with.
func (j *job) ownApt(ctx context.Context) (*aptState, error) {
	s, err := j.aptState(ctx, "own")
	if err != nil {
		return nil, err
	}
	return s, s.run(ctx, "lists of packages", "update")
}

// wideApt has the lists of each of suites on the Debian mirrors that own is
// configured with, of packages (deb) or of source packages (deb-src).
func (j *job) wideApt(ctx context.Context, own *aptState, kind string) (*aptState, error) {
	list, err := own.wideList(ctx, kind, "")
	if err != nil && ctx.Err() == nil && j.unreachable != "" { // it may be that mirror's; see stalled
		err = errors.New(strict.Printable(j.unreachable))
	}
	if err != nil {
		return nil, err
	}
	s, err := j.aptState(ctx, kind)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(s.dir, "sources.list")
	s.options = append(s.options, "-o", "Dir::Etc::SourceList="+file, "-o", "Dir::Etc::SourceParts=/dev/null")
	// The lists by code name, of another fetch, are still good.
	if err := s.updateWide(ctx, file, list, "--no-list-cleanup"); err != nil {
		return nil, err
	}
	// Of one release, a mirror may have newer lists by its code name than by its
	// suite's name.
	more, err := s.wideList(ctx, kind, "$(CODENAME)")
	if err != nil {
		return nil, err
	}
	lines := slices.Sorted(strings.Lines(list + more))
	return s, s.updateWide(ctx, file, strings.Join(slices.Compact(lines), ""))
}

// updateWide gets the lists of the apt sources in list, of which some may be missing.
func (s *aptState) updateWide(ctx context.Context, file, list string, options ...string) error {
	if err := os.WriteFile(file, []byte(list), 0o644); err != nil {
		return err
	}
	// apt fails if a suite is missing, and has the lists of the others all the same.
	err := s.run(ctx, "lists of more suites", append(options, "update")...)
	var failed *proc.Error
	if errors.As(err, &failed) && strings.Contains(failed.Stderr, "does not have a Release file") {
		return nil
	}
	return err
}

// wideList makes a list of apt sources: of all suites, or, with a field of apt's
// index targets, of what that is in the lists that s has.
func (s *aptState) wideList(ctx context.Context, kind, field string) (string, error) {
	created := "Created-By: Packages"
	if field != "" && kind == "deb-src" {
		created = "Created-By: Sources"
	}
	out, err := s.output(ctx, "apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)|"+field, created)
	if err != nil {
		return "", err
	}
	signed := ""
	if _, err := os.Stat(debianKeyring); err == nil {
		signed = "[signed-by=" + debianKeyring + "] "
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var lines []string
	for _, line := range strings.Split(out, "\n") {
		f := strings.Split(line, "|")
		if len(f) != 4 || !strings.HasPrefix(f[0], "Debian") {
			continue
		}
		names := suites[f[1]]
		if field != "" {
			names = []string{f[3]}
		}
		for _, suite := range names {
			lines = append(lines, fmt.Sprintf("%s %s%s %s main\n", kind, signed, f[2], suite))
		}
	}
	slices.Sort(lines)
	if len(lines) == 0 {
		return "", errors.New("the machine's apt sources have no Debian mirror")
	}
	return strings.Join(slices.Compact(lines), ""), nil
}

// aptState gives a state of apt that all sources share, because its lists are larger
// than most kernels' sources. It is locked until the fetch ends: the lists are those
// of the apt sources that it was last updated for.
func (j *job) aptState(ctx context.Context, name string) (*aptState, error) {
	if j.source.Kind == Debian {
		name += "-" + j.source.Rev // the lists of an architecture
	}
	lease, err := j.Store.Lock(ctx, cache.ID{Kind: cache.Lists, Name: name})
	if err != nil {
		return nil, err
	}
	j.lists = append(j.lists, lease)
	dir := lease.Path
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "log"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	s := &aptState{j, dir, []string{
		"-o", "Dir::State=" + filepath.Join(dir, "state"),
		"-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"-o", "Dir::Log=" + filepath.Join(dir, "log"),
		// As root, apt would drop to a user who can't write to our cache.
		"-o", "APT::Sandbox::User=root",
		"-o", "Acquire::Languages=none",
		// Hooks of the machine are about the machine's state.
		"-o", "APT::Update::Post-Invoke-Success=", "-o", "APT::Update::Post-Invoke=",
	}}
	if err := s.limit(ctx); err != nil {
		return nil, err
	}
	if j.source.Kind == Debian { // packages of another architecture than the machine's
		s.options = append(s.options, "-o", "APT::Architecture="+j.source.Rev, "-o", "APT::Architectures="+j.source.Rev)
	}
	return s, nil
}

// limits are how long apt waits for a mirror that does not answer, in seconds, and how
// often it tries again. The default of apt 2.6 is 30 s, and three times again for each
// file.
var limits = []struct{ option, value string }{
	{"Acquire::http::Timeout", "30"}, {"Acquire::https::Timeout", "30"}, {"Acquire::Retries", "1"},
}

// limit sets limits where the machine's configuration of apt has none.
func (s *aptState) limit(ctx context.Context) error {
	for _, l := range limits {
		set, err := s.output(ctx, "apt-config", "shell", "X", l.option)
		if err != nil {
			return err
		}
		if strings.TrimSpace(set) == "" {
			s.options = append(s.options, "-o", l.option+"="+l.value)
		}
	}
	return nil
}

// closeLists lets others use apt's lists.
func (j *job) closeLists() {
	for _, l := range j.lists {
		l.Close()
	}
	j.lists = nil
	for _, old := range []string{"apt", "apt-deb", "apt-deb-src"} { // each source had its own
		os.RemoveAll(filepath.Join(j.slot, old))
	}
}

// versions lists the versions of a package, or of a source package where the lists
// are of these, the newest first.
func (s *aptState) versions(ctx context.Context, name string) ([]string, error) {
	out, err := s.output(ctx, "apt-cache", "madison", name)
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, line := range strings.Split(out, "\n") {
		if f := strings.Split(line, "|"); len(f) == 3 && strings.TrimSpace(f[0]) == name {
			versions = append(versions, strings.TrimSpace(f[1]))
		}
	}
	return sortVersions(ctx, versions), nil
}

// sortVersions sorts versions of packages, the newest first, and drops what is there
// twice.
func sortVersions(ctx context.Context, versions []string) []string {
	slices.Sort(versions)
	versions = slices.Compact(versions)
	slices.SortFunc(versions, func(a, b string) int {
		if proc.Run(ctx, proc.Command{Argv: []string{"dpkg", "--compare-versions", a, "gt", b}}) == nil {
			return -1
		}
		return 1
	})
	return versions
}

// newest calls get with the versions, the newest first, until one is served. A
// mirror's lists may be newer than its files.
func (s *aptState) newest(what string, versions []string, get func(version string) error) error {
	for i, v := range versions {
		err := get(v)
		if !notServed(err) {
			return err
		}
		next := "no other version is left"
		if i+1 < len(versions) {
			next = "trying " + versions[i+1]
		}
		s.job.Events(progress.Event{Phase: progress.Noting, Message: fmt.Sprintf("the mirror lists %s %s and does not have it: %s", what, v, next)})
	}
	return fmt.Errorf("%w of %s that it lists: %s", ErrNotServed, what, strings.Join(versions, ", "))
}

// ErrNotServed: the mirror lists versions of a package and serves none of them.
var ErrNotServed = errors.New("the mirror has none of the versions")

// notServed reports whether apt failed because the mirror lacks a file.
func notServed(err error) bool {
	var failed *proc.Error
	return errors.As(err, &failed) && (strings.Contains(failed.Stderr, " 404 ") || strings.Contains(failed.Stderr, "File not found"))
}

// output runs a program of apt and returns what it prints.
func (s *aptState) output(ctx context.Context, program string, args ...string) (string, error) {
	out, err := proc.Output(ctx, proc.Command{Argv: slices.Concat([]string{program}, s.options, args), Family: true})
	return string(out), err
}

// run runs apt-get.
func (s *aptState) run(ctx context.Context, what string, args ...string) error {
	return s.runIn(ctx, s.dir, what, append([]string{"apt-get", "-q", "-q"}, args...))
}

// runIn runs a program of apt in a directory and turns its status lines into
// progress.
func (s *aptState) runIn(ctx context.Context, dir, what string, argv []string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	m := progress.NewMeter(s.job.Events, progress.Fetching, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		in := bufio.NewScanner(r)
		for in.Scan() { // dlstatus:1:20.5:Retrieving file 1 of 1
			if f := strings.SplitN(in.Text(), ":", 4); len(f) == 4 {
				if percent, err := strconv.ParseFloat(f[2], 64); err == nil {
					m.Set(int64(percent), what)
				}
			}
		}
		io.Copy(io.Discard, r) // apt must never block on us
	}()
	said := &limited{}
	err = proc.Run(ctx, proc.Command{
		Argv: slices.Concat(argv[:1], []string{"-o", "APT::Status-Fd=3"}, s.options, argv[1:]), Dir: dir, Files: []*os.File{w}, Family: true, Stderr: said,
	})
	w.Close()
	<-done
	r.Close()
	// apt succeeds if a mirror is out of reach for lists: those of an earlier
	// update may do.
	for line := range strings.Lines(said.String()) {
		if outOfReach.MatchString(line) {
			s.job.unreachable = strings.TrimSpace(line)
		}
	}
	var failed *proc.Error
	if errors.As(err, &failed) {
		failed.Stderr = said.String()
	}
	return damaged(err)
}

// outOfReach are what apt says of a mirror that does not answer, or no more (methods
// connect.cc, basehttp.cc and http.cc of apt 2.6 and 3.0).
var outOfReach = regexp.MustCompile(`^[EW]: .*(Connection timed out|Timeout was reached|Could not connect|Temporary failure resolving|Could not resolve|Unable to connect|Connection failed|Error reading from server)`)

// limited is a Writer that keeps the first 64 KiB.
type limited struct{ strings.Builder }

func (l *limited) Write(b []byte) (int, error) {
	l.Builder.Write(b[:min(len(b), max(0, 64<<10-l.Len()))])
	return len(b), nil
}

// stalled makes an error that comes of a mirror which is out of reach one that says
// so. Others stay as they are.
func (j *job) stalled(ctx context.Context, err error) error {
	if err == nil || j.unreachable == "" || ctx.Err() != nil {
		return err
	}
	said := strict.Printable(j.unreachable)
	text := fmt.Sprintf("a mirror of the machine's apt sources stalls or cannot be reached, so try again or name another one there (%s)", said)
	if strings.Contains(err.Error(), said) {
		return errors.New(text)
	}
	return fmt.Errorf("%s: %w", text, err) // of what it was needed for
}

// damaged makes the error of a file that is not what the signed lists have one clear
// line. Others stay as they are.
func damaged(err error) error {
	var failed *proc.Error
	if !errors.As(err, &failed) {
		return err
	}
	for line := range strings.Lines(failed.Stderr) {
		if strings.Contains(line, "Hash Sum mismatch") || strings.Contains(line, "File has unexpected size") {
			failed.Stderr = line // what follows are the sums
			return fmt.Errorf("the mirror has a damaged file: %w", err)
		}
	}
	return err
}
