package results

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/matrix"
)

// ErrThere is in the error of Open if the directory has results already and
// resume is not set.
var ErrThere = errors.New("has results already")

// ErrOtherPlan is in the error of Check and Open if the results that are there
// are of another plan.
var ErrOtherPlan = errors.New("its plan is another one: give the same flags, or another --out")

// Check finds out, without changing anything, whether Open can open the directory
// for the plan that digest identifies: a run checks that before it builds kernels.
func Check(dir, digest string, resume bool) error {
	path := filepath.Join(dir, File)
	switch _, err := os.Lstat(path); {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("open results: %w", err)
	case !resume:
		return fmt.Errorf("%s %w", dir, ErrThere)
	}
	old, err := Load(path)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if old.Header.Digest != digest {
		return fmt.Errorf("resume %s: %w", path, ErrOtherPlan)
	}
	return nil
}

// A Store appends results to a file as soon as they come, and keeps what it
// has whatever happens to the run.
type Store struct {
	// Replaced is the file, in the same directory, that keeps what was there
	// before Open left out a result that ended well; empty: there was none.
	Replaced string

	lock *flock.Flock
	file *os.File
	size int64 // bytes of whole lines
}

// Open makes the run's directory and its results file, with the header h. If
// resume is set, the results that are there and that keep takes are kept and
// returned; they must be of the same plan. Otherwise a file that is there is
// ErrThere, because it was measured once. A second Store in the same directory
// is an error.
func Open(dir string, h matrix.Header, resume bool, keep func(matrix.Result) bool) (*Store, *Set, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("make results directory: %w", err)
	}
	s := &Store{lock: flock.New(filepath.Join(dir, ".lock"))}
	ok, err := s.lock.TryLock()
	if err != nil {
		return nil, nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !ok {
		return nil, nil, fmt.Errorf("lock %s: another run writes its results there", dir)
	}
	kept, err := s.begin(filepath.Join(dir, File), h, resume, keep)
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, kept, nil
}

func (s *Store) begin(path string, h matrix.Header, resume bool, keep func(matrix.Result) bool) (*Set, error) {
	kept := &Set{Header: h}
	switch _, err := os.Lstat(path); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("open results: %w", err)
	case !resume:
		return nil, fmt.Errorf("%s %w", filepath.Dir(path), ErrThere)
	default:
		old, err := Load(path)
		if err != nil {
			return nil, fmt.Errorf("resume: %w", err)
		}
		dropped := false
		if kept, err = resumed(old, h, func(r matrix.Result) bool {
			ok := keep(r)
			dropped = dropped || !ok && r.End.Well()
			return ok
		}); err != nil {
			return nil, fmt.Errorf("resume %s: %w", path, err)
		}
		if dropped {
			if s.Replaced, err = keepOld(path); err != nil {
				return nil, fmt.Errorf("keep earlier results: %w", err)
			}
		}
	}
	if err := rewrite(path, kept); err != nil {
		return nil, err
	}
	var err error
	if s.file, err = os.OpenFile(path, os.O_WRONLY, 0); err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	if s.size, err = s.file.Seek(0, io.SeekEnd); err != nil {
		return nil, fmt.Errorf("open results: %w", err)
	}
	return kept, nil
}

// resumed is what is kept of what an earlier run left. A line that was cut off
// is not: its guest runs again. The new header describes the kernels as they are
// now; keep sees to it that no result of another kernel or host is kept, so the
// header describes no result that was not measured under it.
func resumed(old *Set, h matrix.Header, keep func(matrix.Result) bool) (*Set, error) {
	if old.Header.Digest != h.Digest {
		return nil, ErrOtherPlan
	}
	kept := &Set{Header: h}
	kept.Header.Started = old.Header.Started
	kept.Header.Lab = bothLabs(old.Header.Lab, h.Lab)
	for _, r := range old.Results {
		if keep(r) {
			kept.Results = append(kept.Results, r)
		}
	}
	for _, r := range old.Mutants {
		if keep(r) {
			kept.Mutants = append(kept.Mutants, r)
		}
	}
	for _, r := range old.Again {
		first := func(o matrix.Result) bool { return o.ID() == r.ID() }
		if slices.ContainsFunc(kept.Results, first) && keep(r) {
			kept.Again = append(kept.Again, r)
		}
	}
	return kept, nil
}

// bothLabs names the versions of the lab that measured a resumed run, each once.
func bothLabs(old, now string) string {
	if old == "" || slices.Contains(strings.Split(old, ", "), now) {
		return cmp.Or(old, now)
	}
	return old + ", " + now
}

// keepOld gives the file path a second name, which it returns: results that were
// measured are not lost because they were resumed on another host.
func keepOld(path string) (string, error) {
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.%d", path, n)
		if err := os.Link(path, name); !errors.Is(err, os.ErrExist) {
			return name, err
		}
	}
}

// rewrite puts a whole file in place at once.
func rewrite(path string, set *Set) error {
	var b bytes.Buffer
	line, err := EncodeHeader(set.Header)
	if err != nil {
		return err
	}
	b.Write(line)
	for _, r := range slices.Concat(set.Results, set.Again, set.Mutants) {
		if line, err = EncodeResult(r); err != nil {
			return err
		}
		b.Write(line)
	}
	if err := renameio.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// Add appends one result and waits until it is on disk. If only half a line
// could be written, because the disk is full, it is taken back.
func (s *Store) Add(r matrix.Result) error {
	line, err := EncodeResult(r)
	if err != nil {
		return err
	}
	if _, err = s.file.WriteAt(line, s.size); err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		if cut := s.file.Truncate(s.size); cut != nil {
			err = errors.Join(err, cut)
		}
		return fmt.Errorf("write results: %w", err)
	}
	s.size += int64(len(line))
	return nil
}

// Close gives the directory up to others.
func (s *Store) Close() {
	if s.file != nil {
		s.file.Close()
	}
	s.lock.Unlock()
}
