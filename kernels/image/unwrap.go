package image

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/internal/strict"
	"github.com/ldlab/ldlab/kernels/internal/unpack"
)

// A content is a kernel: a file, or what was taken out of one.
type content struct {
	io.ReaderAt
	size int64    // in bytes
	how  []string // what it was in, the outermost first; empty: it is the file
}

// head is the beginning that tells what it is.
func (c content) head() ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(c, 0, arch.HeadSize))
}

// reader reads all of it.
func (c content) reader() io.Reader { return io.NewSectionReader(c, 0, c.size) }

const (
	// maxUnwrapped is the size in bytes of the largest kernel that is taken out of
	// a file: distributions' have 60 MiB, and guests 256.
	maxUnwrapped = 256 << 20
	// maxWrappers is how many wrappers a kernel may have: a compressed UKI with a
	// zboot image has three.
	maxWrappers = 4
)

// A wrapper is a form in which a kernel is in a file that QEMU cannot boot.
// unwrap gives what is in there, and describes the wrapper; how is empty if the
// file has another form.
type wrapper func(c content, head []byte, limit int64) (in io.ReaderAt, size int64, how string, err error)

// wrappers are tried in order.
var wrappers = []wrapper{unwrapZboot, unwrapUKI, unwrapPacked}

// unwrap takes a kernel out of all that it is wrapped in. Each wrapper gives no
// more than limit bytes.
func unwrap(c content, limit int64) (content, error) {
	for {
		next, err := unwrapOne(c, limit)
		if len(c.how) > 0 && err != nil {
			err = fmt.Errorf("in its %s: %w", strings.Join(c.how, ", in that "), err)
		}
		if err != nil || len(next.how) == len(c.how) {
			return next, err
		}
		if len(next.how) > maxWrappers {
			return c, fmt.Errorf("it is wrapped in more than %d ways", maxWrappers)
		}
		c = next
	}
}

// unwrapOne takes the outermost wrapper off; c is unchanged if there is none.
func unwrapOne(c content, limit int64) (content, error) {
	head, err := c.head()
	if err != nil {
		return c, err
	}
	if isKernel(head) { // an Image or a bzImage is a PE file, too
		return c, nil
	}
	for _, w := range wrappers {
		in, size, how, err := w(c, head, limit)
		if err != nil || how != "" {
			return content{in, size, append(c.how[:len(c.how):len(c.how)], how)}, err
		}
	}
	return c, nil
}

// isKernel reports whether an architecture boots the file as it is.
func isKernel(head []byte) bool {
	for _, a := range arch.All() {
		if a.CheckImage(head) == nil {
			return true
		}
	}
	return false
}

// The header of an EFI zboot image (drivers/firmware/efi/libstub/zboot-header.S,
// v6.12): where its payload is and how long, in bytes, and the name of the
// compression, which ends with NUL before linux_magic.
const (
	zbootOffset     = 8
	zbootSize       = 12
	zbootType       = 24
	zbootTypeEnd    = 56
	zbootHeaderSize = 64
)

// zbootTypes are the names of compressions in that header: those of Makefile.zboot
// in the same directory, v6.1 to v7.2.
var zbootTypes = map[string]string{
	"gzip": "gzip", "zstd": "zstd", "zstd22": "zstd", "xzkern": "xz", "xz": "xz", "lz4": "lz4", "lzma": "lzma", "lzo": "lzop",
}

// unwrapZboot takes the kernel out of an EFI zboot image.
func unwrapZboot(c content, head []byte, limit int64) (io.ReaderAt, int64, string, error) {
	if len(head) < zbootHeaderSize || string(head[:2]) != "MZ" || string(head[4:8]) != "zimg" {
		return nil, 0, "", nil
	}
	le := binary.LittleEndian
	start, size := int64(le.Uint32(head[zbootOffset:])), int64(le.Uint32(head[zbootSize:]))
	name, _, _ := bytes.Cut(head[zbootType:zbootTypeEnd], []byte{0})
	how := fmt.Sprintf("EFI zboot image (%s)", name)
	if start+size > c.size {
		return nil, 0, how, fmt.Errorf("it is a truncated EFI zboot image: %d bytes, and its header needs %d", c.size, start+size)
	}
	f, ok := unpack.Named(zbootTypes[string(name)])
	if !ok {
		return nil, 0, how, fmt.Errorf("it is an EFI zboot image with the unknown compression %q: give the Image of the same build", name)
	}
	data, err := f.Unpack(io.NewSectionReader(c, start, size), limit)
	if errors.Is(err, unpack.ErrUnsupported) {
		err = fmt.Errorf("%s is %w: give the Image of the same build", f.Name, unpack.ErrUnsupported)
	}
	if err != nil {
		return nil, 0, how, fmt.Errorf("it is an EFI zboot image, and its kernel cannot be unpacked: %w", err)
	}
	return bytes.NewReader(data), int64(len(data)), how, nil
}

// unwrapUKI takes the kernel out of a unified kernel image: a PE file with the
// kernel in a section (the UAPI Group's specification, "Unified Kernel Image").
// If it has more than one, they are those of profiles, and the first is the
// default.
func unwrapUKI(c content, head []byte, limit int64) (io.ReaderAt, int64, string, error) {
	if !bytes.HasPrefix(head, []byte("MZ")) {
		return nil, 0, "", nil
	}
	f, err := pe.NewFile(io.NewSectionReader(c, 0, c.size))
	if err != nil {
		return nil, 0, "", nil // whatever it is, it is no UKI
	}
	defer f.Close()
	kernel := f.Section(".linux")
	if kernel == nil {
		return nil, 0, "", nil
	}
	how := "UKI (its section .linux)"
	start, size := int64(kernel.Offset), sectionSize(kernel)
	switch {
	case start+size > c.size:
		return nil, 0, how, fmt.Errorf("it is a truncated UKI: %d bytes, and its section .linux ends at %d", c.size, start+size)
	case size > limit:
		return nil, 0, how, fmt.Errorf("it is a UKI, and its section .linux has more than %d MiB", limit>>20)
	}
	if args := ukiArgs(c, f); args != "" {
		how = fmt.Sprintf("UKI (its section .linux; not used: its kernel arguments %q)", args)
	}
	data := make([]byte, size)
	if _, err := c.ReadAt(data, start); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, how, err
	}
	return bytes.NewReader(data), size, how, nil
}

// sectionSize is the size of a section's content in bytes: in the file it is padded.
func sectionSize(s *pe.Section) int64 {
	if s.VirtualSize > 0 && s.VirtualSize < s.Size {
		return int64(s.VirtualSize)
	}
	return int64(s.Size)
}

// ukiArgs are the kernel arguments in a UKI, as far as they are fit to be shown.
func ukiArgs(c content, f *pe.File) string {
	s := f.Section(".cmdline")
	if s == nil {
		return ""
	}
	data := make([]byte, min(sectionSize(s), 200))
	n, _ := c.ReadAt(data, int64(s.Offset))
	return strict.Printable(strings.TrimRight(string(data[:n]), " \n\x00"))
}

// unwrapPacked decompresses a file that is compressed as a whole.
func unwrapPacked(c content, head []byte, limit int64) (io.ReaderAt, int64, string, error) {
	f, ok := unpack.Of(head)
	if !ok {
		return nil, 0, "", nil
	}
	data, err := f.Unpack(c.reader(), limit)
	if errors.Is(err, unpack.ErrLarge) {
		err = fmt.Errorf("%w: give it unpacked if it is a kernel", err)
	}
	if err != nil {
		return nil, 0, f.Name, fmt.Errorf("it is compressed: %w", err)
	}
	return bytes.NewReader(data), int64(len(data)), f.Name, nil
}
