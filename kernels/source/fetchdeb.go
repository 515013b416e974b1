package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/internal/host"
)

// debianName is a ready kernel of Debian: a series or sid, and a flavour.
var debianName = regexp.MustCompile(`^(sid|[0-9]+\.[0-9]+)(-(cloud|rt|generic))?$`)

// ParseDebian takes the name of a ready kernel of Debian after "debian:", such as
// 6.12, 6.12-cloud or sid-rt, and an architecture as Debian names it. Its tree has
// what the packages of the kernel have, not a source. Without a flavour it is the
// generic kernel.
func ParseDebian(name, debArch string) (Source, error) {
	if !debianName.MatchString(name) {
		return Source{}, fmt.Errorf("kernel debian:%s: want a series or sid, and a flavour if it is not the generic one: debian:6.12, debian:6.12-cloud, debian:sid-rt", name)
	}
	return Source{Kind: Debian, Name: strings.TrimSuffix(name, "-generic"), Rev: debArch}, nil
}

// A debImage is a package with a kernel image.
type debImage struct {
	release string // of the kernel, as in the package's name: 6.12.117+deb13-cloud-amd64
	version string // of the package
}

// debParts are the beginnings of the names of the packages that a kernel may come
// in: before Debian's 6.19 all is in linux-image-RELEASE.
var debParts = []string{"linux-image-", "linux-binary-", "linux-modules-", "linux-base-"}

// debIgnored are directories of a kernel's packages that the lab does not need.
var debIgnored = []string{"usr/share", "usr/lib/linux", "etc"}

// fetchDebian downloads a ready kernel: from the apt sources that the machine is
// configured with, and if these do not know it, from other suites of their
// Debian mirror.
func (j *job) fetchDebian(ctx context.Context, fresh string) (Origin, string, error) {
	apt, err := j.ownApt(ctx)
	if err != nil {
		return Origin{}, "", err
	}
	list, err := apt.images(ctx)
	if err != nil {
		return Origin{}, "", err
	}
	if len(list) == 0 {
		if apt, err = j.wideApt(ctx, apt, "deb"); err != nil {
			return Origin{}, "", fmt.Errorf("the machine's apt sources have no such kernel: %w", err)
		}
		if list, err = apt.images(ctx); err != nil {
			return Origin{}, "", err
		}
	}
	if len(list) == 0 {
		return Origin{}, "", apt.noImage(ctx)
	}
	releases := map[string]string{} // of the kernel by the package's version
	var versions []string
	for _, i := range list {
		if releases[i.version] == "" {
			releases[i.version] = i.release
			versions = append(versions, i.version)
		}
	}
	versions = sortVersions(ctx, versions)
	var o Origin
	var version string
	err = apt.newest("the kernel "+j.source.Name, versions, func(v string) error {
		version = v
		return apt.downloadKernel(ctx, fresh, releases[v], v)
	})
	if err != nil {
		return Origin{}, "", err
	}
	if o.Detail, o.SHA256, err = unpackKernel(ctx, fresh); err != nil {
		return Origin{}, "", err
	}
	o.Version, _ = upstreamRelease(version, "")
	return o, host.Fit(version), nil
}

// images lists the packages of the kernel that the source names.
func (s *aptState) images(ctx context.Context) ([]debImage, error) {
	series, flavour, _ := strings.Cut(s.job.source.Name, "-")
	prefix := "linux-image-"
	if series != "sid" {
		prefix += series
	}
	out, err := s.output(ctx, "apt-cache", "pkgnames", prefix)
	if err != nil {
		return nil, err
	}
	suffix := "-" + s.job.source.Rev
	if flavour != "" {
		suffix = "-" + flavour + suffix
	}
	var names []string
	for _, name := range strings.Fields(out) {
		release := strings.TrimPrefix(name, "linux-image-")
		rest, ok := strings.CutSuffix(release, suffix)
		if ok && flavour == "" && (strings.HasSuffix(rest, "-cloud") || strings.HasSuffix(rest, "-rt")) {
			ok = false
		}
		if ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	out, err = s.output(ctx, "apt-cache", append([]string{"madison"}, names...)...)
	if err != nil {
		return nil, err
	}
	var list []debImage
	for _, line := range strings.Split(out, "\n") { // NAME | VERSION | URI SUITE/COMPONENT ARCH Packages
		f := strings.Split(line, "|")
		if len(f) != 3 {
			continue
		}
		i := debImage{strings.TrimPrefix(strings.TrimSpace(f[0]), "linux-image-"), strings.TrimSpace(f[1])}
		_, of := upstreamRelease(i.version, series)
		if series == "sid" {
			of = strings.Contains(f[2], " sid/") || strings.Contains(f[2], " unstable/")
		}
		if of {
			list = append(list, i)
		}
	}
	return list, nil
}

// noImage is the error for a kernel that the mirror does not have. It names those
// that it has.
func (s *aptState) noImage(ctx context.Context) error {
	out, err := s.output(ctx, "apt-cache", "pkgnames", "linux-image-")
	if err != nil {
		return err
	}
	_, flavour, _ := strings.Cut(s.job.source.Name, "-")
	var has []string
	for _, name := range strings.Fields(out) {
		if m := imageName.FindStringSubmatch(name); m != nil && m[3] == s.job.source.Rev && m[2] == flavour {
			has = append(has, m[1])
		}
	}
	has = slices.Compact(sortVersions(ctx, has))
	if len(has) == 0 {
		return fmt.Errorf("no suite of the machine's Debian mirror has a package of such a kernel for %s", s.job.source.Rev)
	}
	return fmt.Errorf("no suite of the machine's Debian mirror has a package of such a kernel for %s; it has %s", s.job.source.Rev, strings.Join(has, ", "))
}

// imageName is the name of a package with a kernel image: its series, its flavour if
// it has one that the lab knows, and its architecture.
var imageName = regexp.MustCompile(`^linux-image-([0-9]+\.[0-9]+)[0-9.]*(?:[-+~][^-]*)*?(?:-(cloud|rt))?-([a-z0-9]+)$`)

// downloadKernel downloads the packages of a kernel into a directory.
func (s *aptState) downloadKernel(ctx context.Context, dir, release, version string) error {
	var packages []string
	for _, part := range debParts {
		versions, err := s.versions(ctx, part+release)
		if err != nil {
			return err
		}
		if slices.Contains(versions, version) {
			packages = append(packages, part+release+"="+version)
		}
	}
	return s.runIn(ctx, dir, "linux "+release, append([]string{"apt-get", "-q", "-q", "download"}, packages...))
}

// unpackKernel unpacks the packages in a directory into its tree, and removes them.
// It returns what they are, and a digest of all.
func unpackKernel(ctx context.Context, fresh string) (detail, sum string, err error) {
	debs, err := filepath.Glob(filepath.Join(fresh, "*.deb"))
	if err != nil {
		return "", "", err
	}
	tree := filepath.Join(fresh, "tree")
	var details []string
	for _, deb := range debs { // Glob sorts
		sum, err := host.SumFile(deb)
		if err != nil {
			return "", "", err
		}
		name, _, _ := strings.Cut(filepath.Base(deb), "_")
		version, err := proc.Output(ctx, proc.Command{Argv: []string{"dpkg-deb", "-f", deb, "Version"}})
		if err != nil {
			return "", "", err
		}
		details = append(details, fmt.Sprintf("%s %s (sha256 %s)", name, strings.TrimSpace(string(version)), sum))
		if err := proc.Run(ctx, proc.Command{Argv: []string{"dpkg-deb", "-x", deb, tree}}); err != nil {
			return "", "", err
		}
		if err := os.Remove(deb); err != nil {
			return "", "", err
		}
	}
	for _, dir := range debIgnored {
		if err := os.RemoveAll(filepath.Join(tree, dir)); err != nil {
			return "", "", err
		}
	}
	detail = strings.Join(details, ", ")
	return detail, host.Sum([]byte(detail)), nil
}
