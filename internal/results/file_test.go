package results

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

func sample(t *testing.T) (matrix.Header, []matrix.Result, []byte) {
	t.Helper()
	h := matrix.Header{Format: matrix.Format, Lab: "test", Probes: []string{"devmem/open"}}
	var results []matrix.Result
	for _, text := range []string{"none", "integrity", "dev_mem@runtime"} {
		g := matrix.Guest{Kernel: "bitmap", Arch: "x86_64", Interface: "bitmap", Setting: setting(t, text)}
		h.Plan = append(h.Plan, g)
		results = append(results, matrix.Result{Guest: g, Machines: []matrix.MachineRun{{Observations: []scenarios.Observation{{Probe: "devmem/open", Comm: "<&\u2028>", Report: scenarios.Report{Outcome: scenarios.Denied}}}}}})
	}
	return h, results, fileOf(t, h, results...)
}

func setting(t *testing.T, text string) lockdown.Setting {
	t.Helper()
	s, err := lockdown.ParseSetting(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read collects what Read hands over.
func read(b []byte) (h matrix.Header, list []matrix.Result, err error) {
	h, err = Read(bytes.NewReader(b), func(r matrix.Result) error { list = append(list, r); return nil })
	return h, list, err
}

func TestFileRoundTrip(t *testing.T) {
	h, results, b := sample(t)
	gotHeader, got, err := read(b)
	if err != nil || !reflect.DeepEqual(gotHeader, h) || !reflect.DeepEqual(got, results) {
		t.Errorf("Read: %v\n got %+v %+v\nwant %+v %+v", err, gotHeader, got, h, results)
	}
}

// TestFileDamage flips each byte and cuts at each place: nothing damaged is
// ever read as a result.
func TestFileDamage(t *testing.T) {
	_, results, b := sample(t)
	for i := range b {
		damaged := bytes.Clone(b)
		damaged[i] ^= 1
		_, got, err := read(damaged)
		if err == nil {
			t.Fatalf("byte %d flipped: no error", i)
		}
		for j := range got {
			if !reflect.DeepEqual(got[j], results[j]) {
				t.Fatalf("byte %d flipped: result %d differs", i, j)
			}
		}
	}
	whole := 0
	for i := range b {
		_, got, err := read(b[:i])
		atLine := i > 0 && b[i-1] == '\n'
		var corrupt *CorruptError
		if atLine != (err == nil) {
			t.Fatalf("cut at %d: %v", i, err)
		}
		if err != nil && (!errors.As(err, &corrupt) || !corrupt.Last) {
			t.Fatalf("cut at %d: %v, want a corrupt last line", i, err)
		}
		if atLine {
			whole++
		}
		if want := max(0, whole-1); len(got) != want {
			t.Fatalf("cut at %d: %d results, want %d", i, len(got), want)
		}
	}
}

// FuzzRead reads what anybody may have written: nothing is read as a result that
// does not come out as the same bytes again.
func FuzzRead(f *testing.F) {
	h, err := EncodeHeader(matrix.Header{Format: matrix.Format, Lab: "v0", Plan: []matrix.Guest{{Kernel: "k", Arch: "x86_64"}}})
	if err != nil {
		f.Fatal(err)
	}
	r, err := EncodeResult(matrix.Result{Guest: matrix.Guest{Kernel: "k", Arch: "x86_64"}, Tries: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil))
	f.Add(h)
	f.Add(append(bytes.Clone(h), r...))
	f.Add(append(bytes.Clone(h), r[:len(r)-3]...))
	f.Add([]byte(`{"sum":"00","header":{"Format":1}}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		header, list, err := read(b)
		var corrupt *CorruptError
		if err != nil && !errors.As(err, &corrupt) {
			t.Fatalf("%v, want a corrupt file", err)
		}
		if err != nil && corrupt.Line != len(list)+2 && corrupt.Line != 1 {
			t.Fatalf("%v after %d results", err, len(list))
		}
		if err != nil && corrupt.Line == 1 {
			return
		}
		again, err := EncodeHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			line, err := EncodeResult(r)
			if err != nil {
				t.Fatal(err)
			}
			again = append(again, line...)
		}
		h2, list2, err := read(again)
		if err != nil || !reflect.DeepEqual(h2, header) || !reflect.DeepEqual(list2, list) {
			t.Fatalf("read again: %v", err)
		}
	})
}

// TestEarlierFormat reads a file of format 3, whose configuration has bools, and
// refuses one of a format that this lab does not know.
func TestEarlierFormat(t *testing.T) {
	set, err := Load("testdata/format3.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	k := set.Header.Kernels[0]
	if set.Header.Format != 3 || k.Config["CONFIG_X86_MSR"] != "n" || len(set.Results) == 0 {
		t.Errorf("format %d, configuration %v, %d results", set.Header.Format, k.Config, len(set.Results))
	}
	for _, format := range []int{0, matrix.OldestFormat - 1, matrix.Format + 1} {
		line, err := EncodeHeader(matrix.Header{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(bytes.NewReader(line), nil); err == nil || !bytes.Contains([]byte(err.Error()), []byte("this lab reads")) {
			t.Errorf("format %d: %v", format, err)
		}
	}
}
