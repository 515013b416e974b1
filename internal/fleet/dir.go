package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/internal/results"
)

// Files of a shard's directory, beside its results.
const (
	PlanFile  = "plan.json"  // the plan, so that a merge needs nothing else
	shardFile = "shard.json" // which shard of it
)

// A mark is the content of shardFile.
type mark struct {
	Plan  string // digest of the plan's file
	Shard int
	Of    int
}

// Mark prepares the directory of a shard's results: it gets the plan and the shard's
// number. A directory of another shard, or of another plan, is an error.
func Mark(dir string, f *File, s Shard) error {
	want := mark{f.Digest, s.K, s.N}
	switch got, err := readMark(dir); {
	case err == nil && got == want:
		return nil
	case err == nil && got.Plan != want.Plan:
		return usagef("%s has shard %d/%d of another plan: give another --out", dir, got.Shard, got.Of)
	case err == nil:
		return usagef("%s has shard %d/%d of this plan, and not %s: give another --out", dir, got.Shard, got.Of, s)
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, results.File)); err == nil {
		return usagef("%s has the results of another run: give another --out", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make results directory: %w", err)
	}
	text, err := f.Encode()
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(dir, PlanFile), text, 0o644); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	if text, err = json.Marshal(want); err != nil {
		return fmt.Errorf("encode shard: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, shardFile), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write shard: %w", err)
	}
	return nil
}

// readMark reads which shard a directory has.
func readMark(dir string) (m mark, err error) {
	f, err := os.Open(filepath.Join(dir, shardFile))
	if err != nil {
		return m, fmt.Errorf("read shard: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(&m)
	}
	if err == nil {
		err = Shard{m.Shard, m.Of}.check("its shard")
	}
	if err != nil {
		return m, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return m, nil
}
