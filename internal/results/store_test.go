package results

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ldlab/ldlab/matrix"
)

func all(matrix.Result) bool { return true }

// TestFullDisk takes back half a line, as a full disk leaves it: what was stored
// before can be read.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	h, list, _ := sample(t)
	s, _, err := Open(dir, h, false, all)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Add(list[0]); err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full")
	}
	disk := s.file
	s.file = full
	if err := s.Add(list[1]); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Add on a full disk: %v", err)
	}
	s.file = disk
	if err := s.Add(list[2]); err != nil {
		t.Fatal(err)
	}
	set, err := Load(dir)
	if err != nil || len(set.Results) != 2 || set.Results[1].ID() != list[2].ID() {
		t.Errorf("%v, %+v: want the first and the third result", err, set)
	}
}

// TestOpen holds the rules of a directory that has results already.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	h, list, _ := sample(t)
	h.Digest = "a plan"
	mutant := list[1]
	mutant.Mutant = "allow f+0x1/0x2"
	s, _, err := Open(dir, h, false, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []matrix.Result{list[0], list[1], mutant} {
		if err := s.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := Open(dir, h, true, all); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("second store: %v", err)
	}
	s.Close()
	if _, _, err := Open(dir, h, false, all); !errors.Is(err, ErrThere) {
		t.Errorf("without resume: %v", err)
	}
	other := h
	other.Digest = "another plan"
	if _, _, err := Open(dir, other, true, all); err == nil || !strings.Contains(err.Error(), "plan is another one") {
		t.Errorf("another plan: %v", err)
	}
	// The line that an interrupted write leaves is not kept; damage is an error.
	file := filepath.Join(dir, File)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(whole, `{"sum":"00`...), 0o644); err != nil {
		t.Fatal(err)
	}
	newer := h
	newer.Lab = "newer"
	s, kept, err := Open(dir, newer, true, func(r matrix.Result) bool { return r.Mutant != "" || r.ID() == list[0].ID() })
	if err != nil || len(kept.Results) != 1 || len(kept.Mutants) != 1 {
		t.Fatalf("resume: %v, %+v", err, kept)
	}
	if want := h.Lab + ", newer"; kept.Header.Lab != want {
		t.Errorf("measured by lab %q, want %q", kept.Header.Lab, want)
	}
	s.Close()
	if again, err := os.ReadFile(file); err != nil || strings.Count(string(again), "\n") != 3 || strings.Contains(string(again), `"00`) {
		t.Errorf("%v, %d lines: want the header and the two that were kept", err, strings.Count(string(again), "\n"))
	}
	whole[len(whole)-20] ^= 1
	if err := os.WriteFile(file, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	var corrupt *CorruptError
	if _, _, err := Open(dir, h, true, all); !errors.As(err, &corrupt) {
		t.Errorf("damaged: %v", err)
	}
}

// TestCheck holds what Open refuses against what Check refuses: it changes nothing.
func TestCheck(t *testing.T) {
	h, _, _ := sample(t)
	h.Digest = "a plan"
	dir := filepath.Join(t.TempDir(), "none")
	if err := Check(dir, h.Digest, false); err != nil {
		t.Errorf("no directory: %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("Check made a directory")
	}
	s, _, err := Open(dir, h, false, all)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := Check(dir, h.Digest, true); err != nil {
		t.Errorf("the same plan: %v", err)
	}
	if err := Check(dir, h.Digest, false); !errors.Is(err, ErrThere) {
		t.Errorf("without resume: %v", err)
	}
	if err := Check(dir, "another plan", true); !errors.Is(err, ErrOtherPlan) {
		t.Errorf("another plan: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, File), []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Check(dir, h.Digest, true); err == nil {
		t.Error("damaged results: no error")
	}
}

// TestResumeKeepsWhatItLeavesOut resumes results of which it keeps none: those that
// ended well stay in a file of their own, each time another one.
func TestResumeKeepsWhatItLeavesOut(t *testing.T) {
	dir := t.TempDir()
	h, list, _ := sample(t)
	good, failed := list[0], list[1]
	good.End, failed.End = matrix.End{}, matrix.End{Ending: matrix.FailedByLab, Detail: "no QEMU"}
	none := func(matrix.Result) bool { return false }
	open := func(resume bool, add matrix.Result) string {
		t.Helper()
		s, _, err := Open(dir, h, resume, none)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Add(add); err != nil {
			t.Fatal(err)
		}
		return s.Replaced
	}
	if name := open(false, failed); name != "" {
		t.Errorf("new results replace %s", name)
	}
	if name := open(true, good); name != "" {
		t.Errorf("a result that failed is kept in %s", name)
	}
	for n := range 2 {
		name := open(true, good)
		if want := filepath.Join(dir, File+"."+strconv.Itoa(n+1)); name != want {
			t.Fatalf("kept in %q, want %q", name, want)
		}
		if set, err := Load(name); err != nil || len(set.Results) != 1 || set.Results[0].ID() != good.ID() {
			t.Errorf("%s: %v, %+v", name, err, set)
		}
	}
}
