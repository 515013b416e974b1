// Package bundle packs files into one, whose bytes follow from the files alone, and
// takes it apart again without trusting it. It is a tar archive, compressed by zstd,
// that other programs unpack, too: SHA256SUMS comes first and lists the others.
package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Bounds of a bundle that is read: a larger one is an error.
const (
	maxMembers = 4096
	maxSums    = 1 << 20  // bytes of SHA256SUMS
	maxBytes   = 64 << 30 // of all members
	maxWindow  = 64 << 20 // memory of the decoder
)

// SumsFile is the first member: a line for each other one, as sha256sum writes it.
const SumsFile = "SHA256SUMS"

// names are those that a member may have: no directories, nothing hidden.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// A Member is a file of a bundle.
type Member struct {
	Name    string
	Path    string // file with the content; empty: it is Content
	Content []byte
	Program bool // it is executable
}

// open returns the content and its size in bytes.
func (m Member) open() (io.ReadCloser, int64, error) {
	if m.Path == "" {
		return io.NopCloser(bytes.NewReader(m.Content)), int64(len(m.Content)), nil
	}
	f, err := os.Open(m.Path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", m.Path)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (m Member) sum() (string, error) {
	r, _, err := m.open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Write writes a bundle of the members, in their order, and returns its digest.
func Write(w io.Writer, members []Member) (digest string, err error) {
	var sums strings.Builder
	seen := map[string]bool{SumsFile: true}
	for _, m := range members {
		if !names.MatchString(m.Name) || seen[m.Name] {
			return "", fmt.Errorf("write bundle: bad name of a member: %q", m.Name)
		}
		seen[m.Name] = true
		sum, err := m.sum()
		if err != nil {
			return "", fmt.Errorf("write bundle: %w", err)
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, m.Name)
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return "", fmt.Errorf("write bundle: %w", err)
	}
	t := tar.NewWriter(z)
	list := Member{Name: SumsFile, Content: []byte(sums.String())}
	for _, m := range append([]Member{list}, members...) {
		if err := add(t, m); err != nil {
			return "", fmt.Errorf("write bundle: %s: %w", m.Name, err)
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return "", fmt.Errorf("write bundle: %w", err)
	}
	return digestOf(list.Content), nil
}

func digestOf(sums []byte) string {
	sum := sha256.Sum256(sums)
	return hex.EncodeToString(sum[:])
}

func add(t *tar.Writer, m Member) error {
	r, size, err := m.open()
	if err != nil {
		return err
	}
	defer r.Close()
	mode := int64(0o644)
	if m.Program {
		mode = 0o755
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: m.Name, Size: size, Mode: mode, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = io.Copy(t, r)
	return err
}

// A Reader reads a bundle.
type Reader struct {
	Digest string // names its content

	max  int64             // bytes of all members
	sums map[string]string // by member
	text []byte            // SHA256SUMS
	zstd *zstd.Decoder
	tar  *tar.Reader
}

// NewReader reads the list of members. The caller closes the reader.
func NewReader(r io.Reader) (*Reader, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	b := &Reader{zstd: z, tar: tar.NewReader(z), max: maxBytes, sums: map[string]string{}}
	if err := b.list(); err != nil {
		z.Close()
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	return b, nil
}

// Close frees the decoder.
func (b *Reader) Close() { b.zstd.Close() }

func (b *Reader) list() error {
	h, err := b.tar.Next()
	if err != nil {
		return fmt.Errorf("not a bundle of ldlab: %w", err)
	}
	if h.Name != SumsFile || h.Typeflag != tar.TypeReg {
		return fmt.Errorf("not a bundle of ldlab: its first member is %.100q and not %s", h.Name, SumsFile)
	}
	if h.Size > maxSums {
		return fmt.Errorf("%s is larger than %d bytes", SumsFile, maxSums)
	}
	if b.text, err = io.ReadAll(b.tar); err != nil {
		return err
	}
	for line := range strings.Lines(string(b.text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != sha256.Size || !names.MatchString(name) || name == SumsFile || b.sums[name] != "" {
			return fmt.Errorf("%s has the bad line %.200q", SumsFile, line)
		}
		b.sums[name] = sum
	}
	if len(b.sums) > maxMembers {
		return fmt.Errorf("it has more than %d members", maxMembers)
	}
	b.Digest = digestOf(b.text)
	return nil
}

// Extract writes the members, and SHA256SUMS, into the directory dir, which it makes.
// Each must be listed, be there once, and have its sum. After an error the directory is
// not complete.
func (b *Reader) Extract(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("extract bundle: %w", err)
	}
	if err := b.extract(dir); err != nil {
		return fmt.Errorf("extract bundle: %w", err)
	}
	return nil
}

func (b *Reader) extract(dir string) error {
	left, room := map[string]string{}, b.max
	for name, sum := range b.sums {
		left[name] = sum
	}
	for {
		h, err := b.tar.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		want, listed := left[h.Name]
		if !listed || h.Typeflag != tar.TypeReg {
			return fmt.Errorf("member %.100q is not listed, is there twice, or is no file", h.Name)
		}
		delete(left, h.Name)
		if room -= h.Size; h.Size < 0 || room < 0 {
			return fmt.Errorf("it is larger than %d bytes", b.max)
		}
		mode := os.FileMode(0o644)
		if h.Mode&0o111 != 0 {
			mode = 0o755
		}
		if err := b.file(filepath.Join(dir, h.Name), mode, want); err != nil {
			return fmt.Errorf("member %s: %w", h.Name, err)
		}
	}
	if len(left) > 0 {
		missing := make([]string, 0, len(left))
		for name := range left {
			missing = append(missing, name)
		}
		slices.Sort(missing)
		return fmt.Errorf("member %s is missing: the file was cut off", missing[0])
	}
	return os.WriteFile(filepath.Join(dir, SumsFile), b.text, 0o644)
}

// file writes the current member.
func (b *Reader) file(name string, mode os.FileMode, want string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), b.tar)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return errors.New("its sum does not match: the bundle was damaged or edited")
	}
	return nil
}
