package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/internal/strict"
	"github.com/ldlab/ldlab/kernels/patchset"
	"github.com/ldlab/ldlab/kernels/source"
)

// A Patched source is a source with the series of a recipe applied. Close it when it
// is not needed any more.
type Patched struct {
	Overlay *patchset.Overlay
	Origin  source.Origin
}

// Close lets the cache remove the source.
func (p Patched) Close() { p.Origin.Close() }

// Patch applies the series of a recipe to its source, which is fetched if it is not in
// the cache. Nothing is written. Errors are those of Build.
func (b *Builder) Patch(ctx context.Context, r Recipe) (Patched, error) {
	j, err := b.prepare(ctx, r, true)
	if err != nil {
		return Patched{}, err
	}
	if err = j.needTree(ctx); err == nil {
		var o *patchset.Overlay
		if o, err = j.patched(j.origin); err == nil {
			return Patched{o, j.origin}, nil
		}
	}
	j.close()
	return Patched{}, err
}

// Warnings are those of a compiler for some files with W=1.
type Warnings struct {
	Lines       []string // warnings and errors, without the numbers of lines, in order
	NotCompiled []string // files that no object of this configuration comes from
}

var (
	warningLine = regexp.MustCompile(`(?i)\b(warning|error):`)
	lineNumbers = regexp.MustCompile(`:\d+(:\d+)?`)
)

// Warn compiles files in C of the patched source with W=1, in the tree in which the
// recipe's kernel is built, which was built before. Numbers of lines are left out, because
// they differ with every patch.
func (b *Builder) Warn(ctx context.Context, r Recipe, files []string) (found Warnings, err error) {
	j, err := b.prepare(ctx, r, true)
	if err != nil {
		return found, err
	}
	defer j.close()
	if err := j.needTree(ctx); err != nil {
		return found, err
	}
	o, err := j.patched(j.origin)
	if err != nil {
		return found, err
	}
	lease, err := j.store.Lock(ctx, j.treeID())
	if err != nil {
		return found, err
	}
	defer lease.Close()
	w, err := source.OpenTree(ctx, lease.Path, j.origin, j.emit)
	if err == nil {
		err = w.Sync(o)
	}
	if err != nil {
		return found, fmt.Errorf("prepare tree: %w", err)
	}
	log := &bytes.Buffer{}
	if err := j.configure(ctx, w, o, log); err != nil {
		return found, err
	}
	w.State.Building = true
	if err := w.Save(); err != nil {
		return found, err
	}
	for _, file := range files {
		if err := j.warn(ctx, w, o, file, &found); err != nil {
			return found, err
		}
	}
	w.State.Building = false
	return found, w.Save()
}

// maxWarnings bounds what is kept of a compiler's output.
const maxWarnings = 200

// warn compiles one file.
func (j *job) warn(ctx context.Context, w *source.WorkTree, o *patchset.Overlay, file string, found *Warnings) error {
	if f, err := o.Read(file); err != nil || f.Gone || path.Ext(file) != ".c" {
		return err
	}
	log := &bytes.Buffer{}
	err := j.make(ctx, w, log, func(string) {}, "W=1", strings.TrimSuffix(file, ".c")+".o")
	var failed *MakeError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	if err != nil { // the kernel was built, so this is no object of it: another file includes it
		found.NotCompiled = append(found.NotCompiled, file)
		return nil
	}
	for line := range strings.Lines(log.String()) {
		line = strict.Printable(strings.TrimSpace(lineNumbers.ReplaceAllString(line, "")))
		if warningLine.MatchString(line) && len(found.Lines) < maxWarnings && !slices.Contains(found.Lines, line) {
			found.Lines = append(found.Lines, line)
		}
	}
	return nil
}

// Checkpatch runs the source's own checkpatch.pl --strict over a patch and returns what
// it reports, one line each: file, line and text, with the type of the message. Reports
// that need a maintainer or mainline's history are left out. ok is false if the source
// has no such script, or the host no perl.
func (p Patched) Checkpatch(ctx context.Context, patch patchset.Patch) (lines []string, ok bool) {
	out, ran := p.script(ctx, patch.Text(), "checkpatch.pl", "--strict", "--quiet", "--no-summary", "--terse", "--show-types", "--ignore", "FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID", "-")
	for line := range strings.Lines(out) {
		if line = strict.Printable(strings.TrimSpace(line)); line != "" && len(lines) < maxWarnings {
			lines = append(lines, strings.TrimPrefix(line, "-:"))
		}
	}
	return lines, ran
}

// Maintainers runs the source's own get_maintainer.pl, which names whom a change of the files
// concerns. A new file counts as its directory.
func (p Patched) Maintainers(ctx context.Context, files []string) (list []string) {
	args := []string{"--no-git", "--no-git-fallback", "--no-rolestats", "--no-n", "-f"}
	for _, file := range files {
		for file != "." {
			if _, err := os.Stat(filepath.Join(p.Origin.Root, filepath.FromSlash(file))); err == nil {
				break
			}
			file = path.Dir(file)
		}
		if file != "." && !slices.Contains(args, file) {
			args = append(args, file)
		}
	}
	if args[len(args)-1] == "-f" {
		return nil
	}
	out, _ := p.script(ctx, nil, "get_maintainer.pl", args...)
	for line := range strings.Lines(out) {
		if line = strict.Printable(strings.TrimSpace(line)); strings.Contains(line, "@") {
			list = append(list, line)
		}
	}
	return list
}

// script runs a script of the source in its tree. An exit status other than 0 is how
// checkpatch reports that it found something.
func (p Patched) script(ctx context.Context, input []byte, name string, args ...string) (out string, ok bool) {
	file := filepath.Join("scripts", name)
	if _, err := os.Stat(filepath.Join(p.Origin.Root, file)); err != nil {
		return "", false
	}
	var b bytes.Buffer
	err := proc.Run(ctx, proc.Command{Argv: append([]string{"perl", file}, args...), Dir: p.Origin.Root, Stdin: bytes.NewReader(input), Stdout: &b})
	var failed *proc.Error
	if err != nil && !(errors.As(err, &failed) && b.Len() > 0) {
		return "", false
	}
	return b.String(), true
}
