package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/internal/progress"
	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// fetchTarball takes a tarball from a file or a URL, and only unpacks it if
// its checksum is the expected one.
func (j *job) fetchTarball(ctx context.Context, fresh string) (Origin, string, error) {
	r, size, err := j.openTarball(ctx)
	if err != nil {
		return Origin{}, "", err
	}
	defer r.Close()
	file := filepath.Join(fresh, "tarball")
	w, err := os.Create(file)
	if err != nil {
		return Origin{}, "", err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h, progress.NewMeter(j.Events, progress.Fetching, size)), r)
	if err := errors.Join(err, w.Close()); err != nil {
		return Origin{}, "", err
	}
	if size > 0 && n != size {
		return Origin{}, "", fmt.Errorf("got %d of %d bytes", n, size)
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != j.source.SHA256 {
		return Origin{}, "", invalidf("sha256 is %s, not the expected one", got)
	}
	if err := j.extract(ctx, file, filepath.Join(fresh, "tree")); err != nil {
		return Origin{}, "", err
	}
	return Origin{Detail: j.source.Name, SHA256: j.source.SHA256}, "tree", os.Remove(file)
}

// openTarball returns the tarball and its size in bytes, 0 if unknown.
func (j *job) openTarball(ctx context.Context) (io.ReadCloser, int64, error) {
	if !j.source.remote() {
		f, err := os.Open(j.source.Name)
		if err != nil {
			return nil, 0, invalidf("%w", err)
		}
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, 0, err
		}
		return f, info.Size(), nil
	}
	j.Events(progress.Event{Phase: progress.Fetching, Message: "connecting to " + strict.Printable(j.source.Name)})
	return download(ctx, httpClient(j.dial), j.source.Name)
}

// tarFlags are tar's flags for compressed archives, by how these start. tar
// guesses for files, but we feed it through a pipe to see how far it is.
var tarFlags = []struct{ magic, flag string }{
	{"\xfd7zXZ\x00", "--xz"},
	{"\x1f\x8b", "--gzip"},
	{"BZh", "--bzip2"},
	{"\x28\xb5\x2f\xfd", "--zstd"},
}

// extract unpacks an archive of one top directory into dir.
func (j *job) extract(ctx context.Context, archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, 8)
	n, err := io.ReadFull(f, head)
	if err != nil && n == 0 {
		return fmt.Errorf("archive is empty")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	args := []string{"--extract", "--strip-components=1", "--no-same-owner", "--directory=" + dir}
	for _, t := range tarFlags {
		if bytes.HasPrefix(head, []byte(t.magic)) {
			args = append(args, t.flag)
		}
	}
	err = proc.Run(ctx, proc.Command{
		Argv: append(append([]string{"tar"}, args...), "--file=-"), Family: true,
		Stdin: io.TeeReader(f, progress.NewMeter(j.Events, progress.Extracting, info.Size())),
	})
	var failed *proc.Error
	if errors.As(err, &failed) {
		// tar's last line is always the same; the first one has the cause.
		failed.Stderr, _, _ = strings.Cut(strings.TrimSpace(failed.Stderr), "\n")
	}
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}
