package nightly

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/report/words"
)

// maxStates bounds a file with states, in bytes: that of all claims has 1 MiB.
const maxStates = 256 << 20

// The files with states: what became of claims, mutants and call sites. Each has a
// reader that gives the state of each by a name that another build keeps.
var stateFiles = []struct {
	name string
	read func(text []byte) (states, error)
}{
	{"findings.json", claims},
	{"mutation.json", mutants},
	{"coverage.json", callSites},
}

// states are words by name. A name that is there several times has all of its words.
type states map[string][]string

func (s states) add(name, word string) { s[name] = append(s[name], word) }

// of is the state of a name: its words, each once, in order.
func (s states) of(name string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(s[name]))), ", ")
}

func claims(text []byte) (states, error) {
	var list []struct{ ID, Status string }
	err := json.Unmarshal(text, &list)
	s := states{}
	for i, c := range list {
		if err == nil && (c.ID == "" || c.Status == "") {
			err = fmt.Errorf("claim %d has no ID or no status", i+1)
		}
		s.add("claim "+c.ID, c.Status)
	}
	return s, err
}

func mutants(text []byte) (states, error) {
	var list []struct {
		Kernel, Arch string
		Mutants      []struct{ Kind, Site, Call, Reason, Status string }
	}
	err := json.Unmarshal(text, &list)
	s := states{}
	for _, k := range list {
		for _, m := range k.Mutants {
			what := m.Call // the site has an offset that another build has not
			if what == "" {
				what = m.Site
			}
			s.add(strings.Join(strings.Fields(fmt.Sprintf("mutant %s %s: %s %s %s", k.Kernel, k.Arch, m.Kind, what, m.Reason)), " "), m.Status)
		}
	}
	return s, err
}

func callSites(text []byte) (states, error) {
	var list []struct {
		Kernel, Arch string
		Sites        []struct{ Name, File, Function, Reach string }
	}
	err := json.Unmarshal(text, &list)
	s := states{}
	for _, k := range list {
		for _, site := range k.Sites {
			what := site.File + ":" + site.Function
			if site.Function == "" {
				what = site.Name
			}
			s.add(fmt.Sprintf("call site %s %s: %s", k.Kernel, k.Arch, what), site.Reach)
		}
	}
	return s, err
}

// readStates reads a file with states; nil if it is not there.
func readStates(path string, read func([]byte) (states, error)) (states, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxStates))
	if err != nil {
		return nil, err
	}
	s, err := read(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// compareStates adds to the runs what became of claims, mutants and call sites that the
// night before has, too.
func (n *Night) compareStates(root string) error {
	if n.Before == nil {
		return nil
	}
	entries, err := os.ReadDir(n.Dir)
	if err != nil {
		return fmt.Errorf("compare night: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		for _, f := range stateFiles {
			now, err := readStates(filepath.Join(n.Dir, e.Name(), f.name), f.read)
			before, errBefore := readStates(filepath.Join(root, n.Before.Name, e.Name(), f.name), f.read)
			switch both := errors.Join(err, errBefore); {
			case both != nil:
				if r := n.tell(e.Name(), both.Error()); err != nil {
					r.Damaged = true
				}
			case now != nil && before != nil:
				for _, line := range statesChanged(before, now) {
					n.tell(e.Name(), line)
				}
			}
		}
	}
	return nil
}

// tell adds a line to a run, and returns the run. A run without a matrix has no other
// lines.
func (n *Night) tell(run, line string) *Run {
	i := slices.IndexFunc(n.Runs, func(r Run) bool { return r.Name == run })
	if i < 0 {
		i = len(n.Runs)
		n.Runs = append(n.Runs, Run{Name: run, Good: true})
	}
	n.Runs[i].Lines = append(n.Runs[i].Lines, line)
	return &n.Runs[i]
}

// statesChanged lists what has another state, and names some of what is new or gone.
func statesChanged(before, now states) (list []string) {
	var came, went []string
	more := 0
	for _, name := range sortedKeys(now) {
		switch {
		case before[name] == nil:
			came = append(came, name)
		case before.of(name) == now.of(name):
		case len(list) < maxListed:
			list = append(list, fmt.Sprintf("%s: %s, before %s", name, now.of(name), before.of(name)))
		default:
			more++
		}
	}
	for _, name := range sortedKeys(before) {
		if now[name] == nil {
			went = append(went, name)
		}
	}
	if more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	if len(came) > 0 {
		list = append(list, "new: "+words.ProbeList(came))
	}
	if len(went) > 0 {
		list = append(list, "gone: "+words.ProbeList(went))
	}
	return list
}

func sortedKeys(s states) []string {
	keys := make([]string, 0, len(s))
	for name := range s {
		keys = append(keys, name)
	}
	slices.Sort(keys)
	return keys
}
