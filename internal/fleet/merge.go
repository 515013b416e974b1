package fleet

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
)

// A Merged is what a merge did.
type Merged struct {
	File     *File
	Guests   int      // with a result
	Machines []string // that ran them, each once, in order
	Problems []string // what the audit found, one line each; nil: the merge is the whole plan
}

// ErrPlans is in the error of a merge whose directories have different plans.
var ErrPlans = errors.New("they are shards of different plans")

// Merge writes the results of shards into the directory out, which must have none, in
// the order of the plan. What is written depends on the results alone, and not on how
// many shards there were or on the order of dirs. What the audit finds is in
// Merged.Problems, and the rest is merged all the same. An error means that nothing was
// written. It holds one result at a time in memory.
func Merge(out string, dirs []string) (*Merged, error) {
	if _, err := os.Lstat(filepath.Join(out, results.File)); err == nil {
		return nil, fmt.Errorf("%s %w: give another -o", out, results.ErrThere)
	}
	m := &merger{found: map[string]*found{}, again: map[string][]*found{}, pairs: map[pair]*guests{}}
	if err := m.open(dirs); err != nil {
		return nil, err
	}
	defer m.close()
	for _, s := range m.shards {
		m.read(s)
	}
	m.leaveOut()
	usable := slices.ContainsFunc(m.shards, func(s *source) bool { return s.usable })
	if !usable {
		return nil, fmt.Errorf("merge: no directory has results: %s", cmp.Or(append(m.problems, "")...))
	}
	m.audit()
	merged := &Merged{File: m.file, Guests: len(m.found), Machines: slices.Sorted(maps.Keys(m.machines())), Problems: m.problems}
	return merged, m.write(out)
}

// A source is the directory of a shard.
type source struct {
	dir    string
	shard  Shard
	file   *os.File
	header matrix.Header
	usable bool // its header is one of the plan's
}

// A found is a result that was found.
type found struct {
	in     *source
	line   int
	seen   [sha256.Size]byte // its outcomes; see matrix.Result.Seen
	differ bool              // from another result of the guest: none is merged
	at     int64
	size   int
	sum    [sha256.Size]byte
	end    matrix.End
	host   matrix.Host
	origin matrix.Origin
}

// better reports whether one of two results of a guest is kept. It must not depend on
// the order in which they are found.
func (f *found) better(o *found) bool {
	if f.end.Failed() != o.end.Failed() {
		return o.end.Failed()
	}
	return slices.Compare(f.sum[:], o.sum[:]) < 0
}

type merger struct {
	file     *File
	shards   []*source           // by shard, then by name
	found    map[string]*found   // by guest
	again    map[string][]*found // second runs, by guest, one of a directory; see matrix.Result.Again
	problems []string
	pairs    map[pair]*guests // guests with several results
	order    []pair
}

func (m *merger) problem(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

func (m *merger) close() {
	for _, s := range m.shards {
		if s.file != nil {
			s.file.Close()
		}
	}
}

// open finds out which shards the directories have. All must have the same plan.
func (m *merger) open(dirs []string) error {
	dirs = slices.Clone(dirs)
	for i := range dirs {
		dirs[i] = filepath.Clean(dirs[i])
	}
	slices.Sort(dirs)
	var plans []string
	for i, dir := range dirs {
		if i > 0 && dir == dirs[i-1] {
			m.problem("%s: it is given twice; one is enough", dir)
			continue
		}
		mark, err := readMark(dir)
		if err == nil {
			var f *File
			if f, err = Load(filepath.Join(dir, PlanFile)); err == nil && f.Digest != mark.Plan {
				err = errors.New("its plan is not that of its shard")
			}
			m.file = cmp.Or(m.file, f)
		}
		if err != nil {
			m.problem("%s: no results of ldlab run --plan: %v", dir, err)
			continue
		}
		if !slices.Contains(plans, mark.Plan) {
			plans = append(plans, mark.Plan)
		}
		m.shards = append(m.shards, &source{dir: dir, shard: Shard{mark.Shard, mark.Of}})
	}
	switch {
	case len(plans) > 1:
		return fmt.Errorf("merge: %w: %.12s and %.12s", ErrPlans, plans[0], plans[1])
	case len(plans) == 0:
		return fmt.Errorf("merge: %s", cmp.Or(append(m.problems, "no directory was given")...))
	}
	slices.SortStableFunc(m.shards, func(a, b *source) int {
		return cmp.Or(cmp.Compare(a.shard.N, b.shard.N), cmp.Compare(a.shard.K, b.shard.K))
	})
	return nil
}

// read takes in the results of a shard.
func (m *merger) read(s *source) {
	var err error
	if s.file, err = os.Open(filepath.Join(s.dir, results.File)); err != nil {
		m.problem("%s: shard %s has no results: %v", s.dir, s.shard, err)
		return
	}
	mine := map[string]bool{}
	for _, g := range m.file.guests(s.shard) {
		mine[g.ID] = true
	}
	s.header, err = results.Scan(bufio.NewReader(s.file), func(l results.Line, r matrix.Result, err error) error {
		var corrupt *results.CorruptError
		switch id := r.ID(); {
		case errors.As(err, &corrupt) && corrupt.Cut:
			m.problem("%s: line %d is cut off, as an interrupted write leaves it; its guest is missing", s.dir, l.Number)
		case err != nil:
			m.problem("%s: %v; %s", s.dir, err, results.LeftOut(err))
		case r.Mutant != "" || !mine[id]:
			m.problem("%s: line %d is of guest %.200q, which shard %s does not have; left out", s.dir, l.Number, id+" "+r.Mutant, s.shard)
		case !slices.Contains(matrix.Endings, r.End.Ending):
			m.problem("%s: guest %s: unknown ending %.80q; left out", s.dir, id, r.End.Ending)
		default:
			m.take(s, l, r)
		}
		return nil
	})
	if err == nil {
		err = m.fits(s)
	}
	if err != nil {
		m.problem("%s: shard %s is left out: %v", s.dir, s.shard, err)
		of := func(f *found) bool { return f.in == s }
		maps.DeleteFunc(m.found, func(_ string, f *found) bool { return of(f) })
		for id, list := range m.again {
			m.again[id] = slices.DeleteFunc(list, of)
		}
		return
	}
	s.usable = true
}

// take keeps a result, unless a better one of the same guest is there.
func (m *merger) take(s *source, l results.Line, r matrix.Result) {
	id := r.ID()
	for _, odd := range results.Odd(&r) {
		m.problem("%s: guest %s: %s", s.dir, id, odd)
	}
	f := &found{in: s, line: l.Number, seen: r.Seen(), at: l.At, size: len(l.Text), sum: sha256.Sum256(l.Text), end: r.End, host: r.Host, origin: r.Origin}
	if r.Again {
		m.takeAgain(id, f)
		return
	}
	if old := m.found[id]; old != nil {
		f = m.twice(id, "results", old, f)
	}
	m.found[id] = f
}

// fits reports why the results of a shard do not belong to the plan.
func (m *merger) fits(s *source) error {
	h := s.header
	switch {
	case h.Rows != m.file.Rows || !slices.Equal(h.Probes, m.file.Probes):
		return fmt.Errorf("it was run with other tables of probes, by ldlab %s: run it again with ldlab %s", h.Lab, m.file.Lab)
	case !slices.EqualFunc(h.Plan, m.file.guests(s.shard), func(g matrix.Guest, want Guest) bool { return g.ID() == want.ID }):
		return errors.New("its guests are not those of the plan")
	}
	return nil
}

// write writes the results that were found, in the order of the plan.
func (m *merger) write(out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("make results directory: %w", err)
	}
	to, err := renameio.NewPendingFile(filepath.Join(out, results.File), renameio.WithPermissions(0o644))
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	defer to.Cleanup()
	w := bufio.NewWriter(to)
	head, err := results.EncodeHeader(m.header())
	if err != nil {
		return err
	}
	w.Write(head) // Flush returns the first error
	for _, g := range m.file.Guests {
		for _, f := range m.runs(g.ID) {
			line := make([]byte, f.size)
			if _, err := io.ReadFull(io.NewSectionReader(f.in.file, f.at, int64(f.size)), line); err != nil || sha256.Sum256(line) != f.sum {
				return fmt.Errorf("read %s again: it changes: is the shard still running? %v", f.in.dir, err)
			}
			w.Write(line)
			if err := copyConsole(out, f); err != nil {
				return err
			}
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := to.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// runs are the results of a guest: none, or its first run, and its second run if the
// same shard and kernel had one.
func (m *merger) runs(id string) []*found {
	first := m.found[id]
	if first == nil {
		return nil
	}
	i := slices.IndexFunc(m.again[id], func(f *found) bool { return f.in == first.in && f.origin.Same(first.origin) })
	if i < 0 {
		return []*found{first}
	}
	return []*found{first, m.again[id][i]}
}

// maxConsole bounds what is copied of a guest's console, in bytes.
const maxConsole = 64 << 20

// copyConsole copies the console of a guest that failed, so that the report of the
// merge finds it. One that is not there is no error: the report has its last lines.
func copyConsole(out string, f *found) error {
	if f.end.Log == "" || !filepath.IsLocal(f.end.Log) {
		return nil
	}
	root, err := os.OpenRoot(f.in.dir)
	if err != nil {
		return fmt.Errorf("copy console: %w", err)
	}
	defer root.Close()
	from, err := root.Open(f.end.Log)
	if err != nil {
		return nil
	}
	defer from.Close()
	if info, err := from.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	name := filepath.Join(out, f.end.Log)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("copy console: %w", err)
	}
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("copy console: %w", err)
	}
	_, err = io.Copy(to, io.LimitReader(from, maxConsole))
	if err = errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("copy console: %w", err)
	}
	return nil
}
