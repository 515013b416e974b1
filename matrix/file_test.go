package matrix

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/ldlab/ldlab/scenarios"
)

func sample(t *testing.T) (Header, []Result, []byte) {
	t.Helper()
	h := Header{Format: Format, Lab: "test", Probes: []string{"devmem/open"}}
	var results []Result
	for _, text := range []string{"none", "integrity", "dev_mem@runtime"} {
		g := Guest{Kernel: "bitmap", Arch: "x86_64", Interface: "bitmap", Setting: setting(t, text)}
		h.Plan = append(h.Plan, g)
		results = append(results, Result{Guest: g, Machines: []MachineRun{{Observations: []scenarios.Observation{{Probe: "devmem/open", Comm: "<&\u2028>"}}}}})
	}
	b, err := EncodeHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		l, err := EncodeResult(r)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, l...)
	}
	return h, results, b
}

func TestFileRoundTrip(t *testing.T) {
	h, results, b := sample(t)
	gotHeader, got, err := Read(bytes.NewReader(b))
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
		_, got, err := Read(bytes.NewReader(damaged))
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
		_, got, err := Read(bytes.NewReader(b[:i]))
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

func TestBuildRefusesStrangers(t *testing.T) {
	h, results, _ := sample(t)
	if _, err := Build(h, append(results, results[0])); err == nil {
		t.Error("the same guest twice: no error")
	}
	stranger := results[0]
	stranger.Kernel = "other"
	if _, err := Build(h, []Result{stranger}); err == nil {
		t.Error("a guest outside the plan: no error")
	}
}
