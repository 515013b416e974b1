package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/progress"
)

// gitCommit is the commit that a git source's revision names now.
func gitCommit(ctx context.Context, s Source) (string, error) {
	out, err := proc.Output(ctx, proc.Command{
		Argv: []string{"git", "-C", s.Name, "rev-parse", "--verify", "--quiet", "--end-of-options", s.Rev + "^{commit}"},
	})
	if errors.Is(err, exec.ErrNotFound) || ctx.Err() != nil {
		return "", fmt.Errorf("fetch %s: %w", s, err)
	}
	if err != nil {
		if _, statErr := os.Stat(s.Name); statErr != nil {
			return "", invalidf("fetch %s: %w", s, statErr)
		}
		return "", invalidf("fetch %s: no such revision: %w", s, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// fetchGit exports the tree of a commit. The repository's work tree and index
// stay as they are.
func (j *job) fetchGit(ctx context.Context, fresh string) (Origin, string, error) {
	commit, err := gitCommit(ctx, j.source)
	if err != nil {
		return Origin{}, "", err
	}
	archive := filepath.Join(fresh, "archive.tar")
	j.Events(progress.Event{Phase: progress.Fetching, Message: "commit " + commit})
	err = proc.Run(ctx, proc.Command{
		Argv: []string{"git", "-C", j.source.Name, "archive", "--format=tar", "--prefix=tree/", "--output=" + archive, commit}, Family: true,
	})
	if err != nil {
		return Origin{}, "", err
	}
	o := Origin{Detail: "commit " + commit}
	if o.SHA256, err = host.SumFile(archive); err != nil {
		return Origin{}, "", err
	}
	if err := j.extract(ctx, archive, filepath.Join(fresh, "tree")); err != nil {
		return Origin{}, "", err
	}
	return o, commit, os.Remove(archive)
}
