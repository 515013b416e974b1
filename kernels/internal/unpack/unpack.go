// Package unpack undoes the compressions that kernels and their modules come in.
// What comes out is bounded, because a file of a few KB can stand for terabytes.
package unpack

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// A Format is a way in which data is compressed.
type Format struct {
	Name  string // of the program that makes it: gzip, xz, zstd, ...
	magic func(head []byte) bool
	open  func(*bufio.Reader) (io.Reader, error)
}

// maxWindow is the largest dictionary in bytes: that of scripts/xz_wrap.sh and of
// zstd --ultra -22, v6.12. LZMA's own programs use half of it.
const maxWindow = 128 << 20

// formats are those of the targets Image.* in arch/arm64/boot/Makefile, v6.12.
var formats = []Format{
	{"gzip", prefix("\x1f\x8b\x08"), func(r *bufio.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"xz", prefix("\xfd7zXZ\x00"), openXZ},
	{"zstd", prefix("\x28\xb5\x2f\xfd"), func(r *bufio.Reader) (io.Reader, error) {
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}},
	{"lz4", isLZ4, func(r *bufio.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
	{"lzma", isLZMA, func(r *bufio.Reader) (io.Reader, error) { return lzma.ReaderConfig{DictCap: maxWindow}.NewReader(r) }},
	{"bzip2", prefix("BZh"), func(r *bufio.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	// No library that is kept up decompresses LZO.
	{"lzop", prefix("\x89LZO\x00\r\n\x1a\n"), nil},
}

// ErrUnsupported is wrapped by the error of a compression that is known, and that
// cannot be undone here. Its text names it and the program that can.
var ErrUnsupported = errors.New("not supported")

// ErrLarge is wrapped by the error of data that is longer than the limit.
var ErrLarge = errors.New("it is too large")

// ErrCut is wrapped by the error of data that ends too early.
var ErrCut = errors.New("it is truncated")

// Of finds the format of data by its first bytes; ok is false if it is in none.
func Of(head []byte) (f Format, ok bool) {
	for _, f := range formats {
		if f.magic(head) {
			return f, true
		}
	}
	return Format{}, false
}

// Named finds a format by its name; ok is false if there is none of that name.
func Named(name string) (f Format, ok bool) {
	for _, f := range formats {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}

// Unpack decompresses all that r has. What is longer than limit bytes is an error
// that wraps ErrLarge, what ends too early one that wraps ErrCut. After any error,
// data is what was decompressed before it.
func (f Format) Unpack(r io.Reader, limit int64) (data []byte, err error) {
	if f.open == nil {
		return nil, fmt.Errorf("%w here: %s -d unpacks it", ErrUnsupported, f.Name)
	}
	in, err := f.open(bufio.NewReader(r))
	if err != nil {
		return nil, f.explain(err)
	}
	if c, ok := in.(io.Closer); ok {
		defer c.Close()
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(in, limit+1))
	if n > limit {
		return out.Bytes()[:limit], fmt.Errorf("unpack %s: %w: more than %d MiB", f.Name, ErrLarge, limit>>20)
	}
	return out.Bytes(), f.explain(err)
}

// explain names the format in an error.
func (f Format) explain(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrUnsupported):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		err = ErrCut
	}
	return fmt.Errorf("unpack %s: %w", f.Name, err)
}

func prefix(magic string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }
}

// isLZ4 recognizes frames, and the older format that the kernel uses (lz4 -l).
func isLZ4(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\x04\x22\x4d\x18")) || bytes.HasPrefix(head, []byte("\x02\x21\x4c\x18"))
}

// isLZMA recognizes what has no magic number: properties as each program writes
// them, a dictionary whose size is a power of two, and a size that is not known or
// below 1 TiB.
func isLZMA(head []byte) bool {
	if len(head) < 13 || head[0] != 0x5d {
		return false
	}
	dict, size := binary.LittleEndian.Uint32(head[1:]), binary.LittleEndian.Uint64(head[5:])
	return dict >= 1<<12 && dict&(dict-1) == 0 && (size == 1<<64-1 || size < 1<<40)
}

// openXZ looks at the first block before the library does: it takes no filters (BCJ),
// and allocates any dictionary that the header names. Fields are those of The .xz
// File Format 1.0.4: a stream header of 12 bytes, then the block's header with its
// size, flags, optional sizes, and filters, each an ID, the length of its properties,
// and these.
func openXZ(r *bufio.Reader) (io.Reader, error) {
	const lzma2 = 0x21
	head, _ := r.Peek(12 + 1024) // as much as there is
	if len(head) < 13 || len(head) < 12+4*(int(head[12])+1) {
		return nil, io.ErrUnexpectedEOF // the library takes it for the end
	}
	if head[12] == 0 { // no block
		return xz.NewReader(r)
	}
	flags, rest := head[13], head[14:]
	for _, has := range []byte{0x40, 0x80} { // sizes of the block, packed and unpacked
		if flags&has != 0 {
			_, n := binary.Uvarint(rest)
			if n <= 0 {
				return xz.NewReader(r)
			}
			rest = rest[n:]
		}
	}
	switch {
	case len(rest) < 3:
		return nil, io.ErrUnexpectedEOF
	case flags&3 != 0 || rest[0] != lzma2:
		return nil, fmt.Errorf("unpack xz: filters (BCJ) are %w here: xz -dc unpacks it", ErrUnsupported)
	}
	dict, err := lzma.DecodeDictCap(rest[2])
	if err == nil && dict > maxWindow {
		err = fmt.Errorf("%w: its dictionary has %d MiB", ErrLarge, dict>>20)
	}
	if err != nil {
		return nil, err
	}
	return xz.NewReader(r)
}
