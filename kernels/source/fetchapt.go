package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/internal/host"
)

// fetchApt downloads Debian's package of a kernel source: from the apt sources that
// the machine is configured with, and if these do not know it, from other suites
// of their Debian mirror.
func (j *job) fetchApt(ctx context.Context, fresh string) (Origin, string, error) {
	apt, versions, err := j.findApt(ctx)
	if err != nil {
		return Origin{}, "", err
	}
	var version string
	err = apt.newest(j.source.Name, versions, func(v string) error {
		version = v
		return apt.runIn(ctx, fresh, j.source.Name, []string{"apt-get", "-q", "-q", "download", j.source.Name + "=" + v})
	})
	if err != nil {
		return Origin{}, "", err
	}
	debs, err := filepath.Glob(filepath.Join(fresh, "*.deb"))
	if err != nil || len(debs) != 1 {
		return Origin{}, "", fmt.Errorf("apt-get download left %d packages", len(debs))
	}
	o := Origin{Detail: j.source.Name + " " + version}
	if o.SHA256, err = host.SumFile(debs[0]); err != nil {
		return Origin{}, "", err
	}
	if err := proc.Run(ctx, proc.Command{Argv: []string{"dpkg-deb", "-x", debs[0], "deb"}, Dir: fresh}); err != nil {
		return Origin{}, "", err
	}
	tars, err := filepath.Glob(filepath.Join(fresh, "deb/usr/src/linux-source-*.tar.*"))
	if err != nil || len(tars) != 1 {
		return Origin{}, "", fmt.Errorf("%s has %d kernel tarballs, not one", filepath.Base(debs[0]), len(tars))
	}
	if err := j.extract(ctx, tars[0], filepath.Join(fresh, "tree")); err != nil {
		return Origin{}, "", err
	}
	for _, used := range []string{debs[0], filepath.Join(fresh, "deb")} {
		if err := os.RemoveAll(used); err != nil {
			return Origin{}, "", err
		}
	}
	return o, host.Fit(version), nil
}

// findApt returns the state that knows the source's package, and its versions.
func (j *job) findApt(ctx context.Context) (*aptState, []string, error) {
	apt, err := j.ownApt(ctx)
	if err != nil {
		return nil, nil, err
	}
	versions, err := apt.versions(ctx, j.source.Name)
	if err != nil || len(versions) > 0 {
		return apt, versions, err
	}
	if apt, err = j.wideApt(ctx, apt, "deb"); err != nil {
		return nil, nil, fmt.Errorf("the machine's apt sources have no package %s: %w", j.source.Name, err)
	}
	versions, err = apt.versions(ctx, j.source.Name)
	if err == nil && len(versions) == 0 {
		err = fmt.Errorf("there is no package %s in the machine's apt sources or in another suite of their Debian mirror", j.source.Name)
	}
	return apt, versions, err
}

// upstreamPackage is Debian's source package of the kernel. Its .orig.tar is
// upstream's release, without what Debian cannot distribute.
const upstreamPackage = "linux"

// fetchUpstream downloads the newest release of a series of upstream that Debian
// has packaged and the mirror has, without Debian's patches.
func (j *job) fetchUpstream(ctx context.Context, fresh string) (Origin, string, error) {
	own, err := j.ownApt(ctx)
	if err != nil {
		return Origin{}, "", err
	}
	apt, err := j.wideApt(ctx, own, "deb-src")
	if err != nil {
		return Origin{}, "", err
	}
	all, err := apt.versions(ctx, upstreamPackage)
	if err != nil {
		return Origin{}, "", err
	}
	packaged := map[string]string{} // Debian's version by upstream's
	var releases []string
	for _, v := range all {
		release, ok := upstreamRelease(v, j.source.Name)
		if ok && packaged[release] == "" {
			packaged[release] = v
			releases = append(releases, release)
		}
	}
	if len(releases) == 0 {
		return Origin{}, "", fmt.Errorf("no suite of the machine's Debian mirror has a source package of Linux %s", j.source.Name)
	}
	file := filepath.Join(fresh, "tarball")
	var o Origin
	var got string
	err = apt.newest("the release", releases, func(release string) error {
		uri, sum, err := apt.tarball(ctx, packaged[release])
		if err != nil {
			return err
		}
		got, o = release, Origin{Detail: filepath.Base(uri), SHA256: sum}
		return apt.runIn(ctx, fresh, o.Detail, []string{aptHelper, "download-file", uri, file, "SHA256:" + sum})
	})
	if err != nil {
		return Origin{}, "", err
	}
	if err := j.extract(ctx, file, filepath.Join(fresh, "tree")); err != nil {
		return Origin{}, "", err
	}
	return o, host.Fit(got), os.Remove(file)
}

// aptHelper downloads as apt does, by each of its methods.
const aptHelper = "/usr/lib/apt/apt-helper"

// tarball returns where upstream's tarball of a version of the source package is,
// and its SHA-256, which the signed list has.
func (s *aptState) tarball(ctx context.Context, version string) (uri, sum string, err error) {
	out, err := s.output(ctx, "apt-get", "-q", "-q", "source", "--print-uris", "--only-source", upstreamPackage+"="+version)
	if err != nil {
		return "", "", err
	}
	for _, line := range strings.Split(out, "\n") { // 'URI' FILE SIZE SHA256:SUM
		f := strings.Fields(line)
		if len(f) == 4 && strings.Contains(f[1], ".orig.tar.") {
			uri, sum = strings.Trim(f[0], "'"), strings.TrimPrefix(f[3], "SHA256:")
			if len(sum) == 64 {
				return uri, sum, nil
			}
		}
	}
	return "", "", fmt.Errorf("the source package %s %s has no tarball of upstream with a SHA-256", upstreamPackage, version)
}

// upstreamRelease is upstream's part of a version of Debian's; ok reports whether it
// is a release of the series: 6.12.107 of 6.12.107-1 is one of 6.12, and 7.3~rc7 is
// one of 7.3.
func upstreamRelease(version, series string) (release string, ok bool) {
	if _, after, found := strings.Cut(version, ":"); found {
		version = after
	}
	release = version
	if i := strings.LastIndex(version, "-"); i >= 0 {
		release = version[:i]
	}
	number, _, _ := strings.Cut(release, "~")
	parts := strings.Split(number, ".")
	return release, len(parts) >= 2 && slices.Equal(parts[:2], strings.Split(series, "."))
}
