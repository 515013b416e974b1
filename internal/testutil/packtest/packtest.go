// Package packtest compresses data for tests.
package packtest

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// Names are the formats that Pack makes. Each begins with the name of a format of
// package unpack, of which bzip2 is missing: no library writes it.
func Names() []string { return []string{"gzip", "xz", "zstd", "lz4", "lz4-legacy", "lzma"} }

// Pack compresses data.
func Pack(t testing.TB, format string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch format {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "xz":
		w, err = xz.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	case "lz4", "lz4-legacy":
		z := lz4.NewWriter(&b)
		err = z.Apply(lz4.LegacyOption(format == "lz4-legacy"))
		w = z
	case "lzma":
		w, err = lzma.NewWriter(&b)
	default:
		t.Fatalf("no format %q", format)
	}
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
