package unpack

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/internal/testutil/packtest"
)

// sample is text that compresses, and that is longer than a reader's buffer.
func sample() []byte {
	var b bytes.Buffer
	for i := range 20000 {
		b.WriteString(strings.Repeat("x", i%7))
		b.WriteByte(byte(i * i >> 8))
	}
	return b.Bytes()
}

func TestUnpack(t *testing.T) {
	want := sample()
	for _, name := range packtest.Names() {
		packed := packtest.Pack(t, name, want)
		f, ok := Of(packed)
		if !ok || !strings.HasPrefix(name, f.Name) {
			t.Errorf("%s is taken for %q", name, f.Name)
			continue
		}
		if got, err := f.Unpack(bytes.NewReader(packed), int64(len(want))); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if got, err := f.Unpack(bytes.NewReader(packed), int64(len(want))-1); !errors.Is(err, ErrLarge) || len(got) >= len(want) {
			t.Errorf("%s: a limit gave %d bytes, %v", name, len(got), err)
		}
		for _, size := range []int{len(packed) / 2, len(packed) - 1, 20} {
			got, err := f.Unpack(bytes.NewReader(packed[:size]), 1<<20)
			if !errors.Is(err, ErrCut) || !bytes.HasPrefix(want, got) {
				t.Errorf("%s: %d of %d bytes: %v", name, size, len(packed), err)
			}
		}
	}
}

// What the programs themselves make is what is unpacked, and what cannot be is named.
func TestPrograms(t *testing.T) {
	want := sample()
	for _, tt := range []struct{ argv, err string }{
		{"gzip -9c", ""},
		{"xz -9c", ""},
		{"xz --check=crc32 --threads=1 --lzma2=lp=2,lc=2,dict=128MiB -c", ""},
		{"xz --check=crc32 --x86 --lzma2=dict=1MiB -c", "filters (BCJ) are not supported here: xz -dc"},
		{"xz --lzma2=dict=512MiB -c", "its dictionary has 512 MiB"},
		{"xz --format=lzma -9c", ""},
		{"zstd -q -19 -c", ""},
		{"zstd -q -22 --ultra -c", ""},
		{"lz4 -l -9 -c", ""},
		{"lz4 -9 -c", ""},
		{"bzip2 -9c", ""},
	} {
		argv := strings.Fields(tt.argv)
		t.Run(tt.argv, func(t *testing.T) {
			testutil.RequireProgram(t, argv[0])
			cmd := exec.Command(argv[0], argv[1:]...)
			cmd.Stdin = bytes.NewReader(want)
			packed, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			f, ok := Of(packed)
			if !ok {
				t.Fatal("unknown format")
			}
			got, err := f.Unpack(bytes.NewReader(packed), 1<<20)
			switch {
			case tt.err == "" && (err != nil || !bytes.Equal(got, want)):
				t.Errorf("%d bytes, %v", len(got), err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("%v, want %q", err, tt.err)
			}
		})
	}
}

func TestNotPacked(t *testing.T) {
	for _, data := range []string{"", "\x1f\x8b", "MZ", "\x7fELF", "]" + strings.Repeat("\x00", 12), "BZ", "text that is no archive"} {
		if f, ok := Of([]byte(data)); ok {
			t.Errorf("%q is taken for %s", data, f.Name)
		}
	}
	f, ok := Of([]byte("\x89LZO\x00\r\n\x1a\n and more"))
	if _, err := f.Unpack(strings.NewReader(""), 1); !ok || !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "lzop -d") {
		t.Errorf("LZO: %v", err)
	}
	if _, ok := Named("rar"); ok {
		t.Error("there is a format rar")
	}
}
