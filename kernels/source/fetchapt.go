package source

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/progress"
)

// fetchApt downloads a source package from the apt sources that the machine is
// configured with. apt gets a state and a cache of its own inside ours: neither
// root nor a change to the machine's is needed. Signatures and checksums are
// apt's to verify.
func (j *job) fetchApt(ctx context.Context, fresh string) (Origin, string, error) {
	state := filepath.Join(j.slot, "apt")
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial", "log"} {
		if err := os.MkdirAll(filepath.Join(state, dir), 0o755); err != nil {
			return Origin{}, "", err
		}
	}
	options := []string{
		"-q", "-q",
		"-o", "Dir::State=" + filepath.Join(state, "state"),
		"-o", "Dir::Cache=" + filepath.Join(state, "cache"),
		"-o", "Dir::Log=" + filepath.Join(state, "log"),
		// As root, apt would drop to a user who can't write to our cache.
		"-o", "APT::Sandbox::User=root",
		"-o", "Acquire::Languages=none",
		// Hooks of the machine are about the machine's state.
		"-o", "APT::Update::Post-Invoke-Success=", "-o", "APT::Update::Post-Invoke=",
	}
	if err := j.aptGet(ctx, fresh, "lists of packages", append(options, "update")); err != nil {
		return Origin{}, "", err
	}
	if err := j.aptGet(ctx, fresh, j.source.Name, append(options, "download", j.source.Name)); err != nil {
		return Origin{}, "", err
	}
	debs, err := filepath.Glob(filepath.Join(fresh, "*.deb"))
	if err != nil || len(debs) != 1 {
		return Origin{}, "", fmt.Errorf("apt-get download left %d packages", len(debs))
	}
	version, err := proc.Output(ctx, proc.Command{Argv: []string{"dpkg-deb", "-f", debs[0], "Version"}})
	if err != nil {
		return Origin{}, "", err
	}
	o := Origin{Detail: j.source.Name + " " + strings.TrimSpace(string(version))}
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
	return o, host.Fit(strings.TrimSpace(string(version))), nil
}

// aptGet runs apt-get and turns its status lines into progress.
func (j *job) aptGet(ctx context.Context, dir, what string, args []string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	m := progress.NewMeter(j.Events, progress.Fetching, 100)
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
	err = proc.Run(ctx, proc.Command{
		Argv: append([]string{"apt-get", "-o", "APT::Status-Fd=3"}, args...), Dir: dir, Files: []*os.File{w}, Family: true,
	})
	w.Close()
	<-done
	r.Close()
	return err
}
