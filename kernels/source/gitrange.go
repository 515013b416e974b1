package source

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/proc"
)

// A GitRange is commits of a local repository: those that the second revision has and
// the first has not.
type GitRange struct{ Path, From, To string }

// ParseGitRange takes git:PATH@A..B; ok is false if the text is something else.
func ParseGitRange(text string) (r GitRange, ok bool) {
	rest, found := strings.CutPrefix(text, string(Git)+":")
	at := strings.LastIndex(rest, "@")
	if !found || at < 1 {
		return GitRange{}, false
	}
	from, to, found := strings.Cut(rest[at+1:], "..")
	if !found || from == "" || to == "" || strings.HasPrefix(from, "-") || strings.HasPrefix(to, "-") || strings.HasPrefix(to, ".") {
		return GitRange{}, false
	}
	return GitRange{rest[:at], from, to}, true
}

// gitConfig overrides the user's configuration of git where format-patch has no option.
var gitConfig = []string{"-c", "format.mboxrd=false", "-c", "diff.suppressBlankEmpty=false", "-c", "core.quotePath=true", "-c", "log.showSignature=false"}

// formatPatch overrides the rest of the user's configuration with options.
var formatPatch = []string{
	"format-patch", "--stdout", "--subject-prefix=PATCH", "--encoding=UTF-8",
	"--no-signature", "--no-signoff", "--no-attach", "--no-thread", "--no-base", "--no-notes", "--no-cover-letter", "--no-add-header", "--no-to", "--no-cc", "--no-from",
	"--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--inter-hunk-context=0", "--diff-algorithm=myers", "-O/dev/null", "--submodule=short",
	"--no-color", "--no-ext-diff", "--no-renames", "--no-relative", "--no-indent-heuristic",
	"--full-index", "--no-numbered", "--encode-email-headers",
}

// Patches writes the commits as git format-patch does, oldest first, whatever the user's
// configuration of git is, and returns the commit that they are based on. Merges and
// commits without a change are left out, as git does. A range without
// a commit is an *InvalidError, and so is a revision that does not exist.
func (r GitRange) Patches(ctx context.Context) (mailbox []byte, base string, err error) {
	git := func(args ...string) (string, error) {
		out, err := proc.Output(ctx, proc.Command{Argv: slices.Concat([]string{"git", "-C", r.Path}, gitConfig, args)})
		if err != nil && ctx.Err() == nil && !errors.Is(err, exec.ErrNotFound) {
			err = invalidf("read commits %s..%s of %s: %w", r.From, r.To, r.Path, err)
		}
		return string(out), err
	}
	if base, err = git("merge-base", "--end-of-options", r.From, r.To); err != nil {
		return nil, "", err
	}
	base = strings.TrimSpace(base)
	text, err := git(append(slices.Clone(formatPatch), "--end-of-options", base+".."+r.To)...)
	if err == nil && text == "" {
		err = invalidf("read commits %s..%s of %s: there is none", r.From, r.To, r.Path)
	}
	return []byte(text), base, err
}

// At is the source that a range is based on.
func (r GitRange) At(commit string) (Source, error) {
	return Parse(fmt.Sprintf("%s:%s@%s", Git, r.Path, commit))
}
