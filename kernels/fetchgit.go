package kernels

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// gitCommit is the commit that a git source's revision names now.
func gitCommit(ctx context.Context, s Source) (string, error) {
	out, err := run(ctx, "", "git", "-C", s.Name, "rev-parse", "--verify", "--quiet", "--end-of-options", s.Rev+"^{commit}")
	if err != nil {
		if _, statErr := os.Stat(s.Name); statErr != nil {
			return "", fmt.Errorf("fetch %s: %w", s, statErr)
		}
		return "", fmt.Errorf("fetch %s: no such revision: %w", s, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// fetchGit exports the tree of a commit. The repository's work tree and index
// stay as they are.
func (j *job) fetchGit(ctx context.Context, fresh string) (origin, string, error) {
	commit, err := gitCommit(ctx, j.source)
	if err != nil {
		return origin{}, "", err
	}
	archive := filepath.Join(fresh, "archive.tar")
	cmd := command(ctx, "git", "-C", j.source.Name, "archive", "--format=tar", "--prefix=tree/", "--output="+archive, commit)
	var said bytes.Buffer
	cmd.Stderr = &said
	j.emit(Event{Phase: Fetching, Message: "commit " + commit})
	if err := runGroup(cmd); err != nil {
		return origin{}, "", fmt.Errorf("git archive: %w", explain(ctx, err, said.String()))
	}
	o := origin{Detail: "commit " + commit}
	if o.SHA256, err = sumFile(archive); err != nil {
		return origin{}, "", err
	}
	if err := j.extract(ctx, archive, filepath.Join(fresh, "tree")); err != nil {
		return origin{}, "", err
	}
	return o, commit, os.Remove(archive)
}
