package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/matrix"
)

// ResultsFile is the name of the file of results in a run's directory.
const ResultsFile = "results.jsonl"

// A store appends results to a file as soon as they come, and keeps what it
// has whatever happens to the run.
type store struct {
	lock *flock.Flock
	file *os.File
	size int64 // bytes of whole lines
}

// openStore makes the run's directory and its results file. With resume, the
// results that are there already and that keep takes are kept; without, a file
// that is there is an error, for it was measured once.
func openStore(dir string, h matrix.Header, resume bool, keep func(matrix.Result) bool) (*store, []matrix.Result, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("make results directory: %w", err)
	}
	s := &store{lock: flock.New(filepath.Join(dir, ".lock"))}
	ok, err := s.lock.TryLock()
	if err != nil {
		return nil, nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !ok {
		return nil, nil, fmt.Errorf("lock %s: another run writes its results there", dir)
	}
	kept, err := s.begin(filepath.Join(dir, ResultsFile), h, resume, keep)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, kept, nil
}

func (s *store) begin(path string, h matrix.Header, resume bool, keep func(matrix.Result) bool) ([]matrix.Result, error) {
	var kept []matrix.Result
	switch old, err := os.Open(path); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("open results: %w", err)
	case !resume:
		old.Close()
		return nil, errResultsThere(filepath.Dir(path))
	default:
		kept, err = resumed(old, h, keep)
		old.Close()
		if err != nil {
			return nil, fmt.Errorf("resume %s: %w", path, err)
		}
	}
	if err := rewrite(path, h, kept); err != nil {
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

// resumed reads what an earlier run left. A last line that was cut off is what
// an interrupted write leaves: its guest runs again.
func resumed(r io.Reader, h matrix.Header, keep func(matrix.Result) bool) ([]matrix.Result, error) {
	old, results, err := matrix.Read(r)
	var corrupt *matrix.CorruptError
	if errors.As(err, &corrupt) && corrupt.Last && corrupt.Line > 1 {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(old.Plan, h.Plan) || !reflect.DeepEqual(old.Probes, h.Probes) {
		return nil, errors.New("its plan is another one: give the same flags, or another --out")
	}
	var kept []matrix.Result
	for _, r := range results {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	return kept, nil
}

// rewrite puts a whole file in place at once.
func rewrite(path string, h matrix.Header, results []matrix.Result) error {
	var b bytes.Buffer
	line, err := matrix.EncodeHeader(h)
	b.Write(line)
	for _, r := range results {
		if err == nil {
			line, err = matrix.EncodeResult(r)
			b.Write(line)
		}
	}
	if err == nil {
		err = renameio.WriteFile(path, b.Bytes(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// add appends one result and waits until it is on disk. Half a line, as a full
// disk leaves it, is taken back.
func (s *store) add(r matrix.Result) error {
	line, err := matrix.EncodeResult(r)
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

func (s *store) close() {
	if s.file != nil {
		s.file.Close()
	}
	s.lock.Unlock()
}
