package template

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
)

// A template's file has: magic; the size of the head in 4 bytes, big endian; the
// head as JSON; the state; the RAM's extents; the SHA-256 of everything before
// it. It is read into memory and checked while it is read, so that forks run what
// was checked, whatever happens to the file afterwards.
const (
	magic       = "ldlab template\n"
	maxHead     = 1 << 20 // bytes
	maxExtents  = 1 << 14
	copyBufSize = 256 << 10 // bytes
)

// fileHead describes what follows it.
type fileHead struct {
	Ingredients string
	MemoryMiB   int
	Whole       bool
	State       int64 // bytes
	RAM         []extent
}

// size is the number of bytes between the head and the checksum. It is negative
// if the head cannot be right.
func (h fileHead) size() int64 {
	total, end, limit := h.State, int64(0), int64(h.MemoryMiB)<<20
	if h.State <= 0 || h.State > limit+maxState || len(h.RAM) > maxExtents {
		return -1
	}
	for _, e := range h.RAM {
		if e.Offset < end || e.Size <= 0 || e.Size > limit || e.Offset > limit-e.Size {
			return -1
		}
		end = e.Offset + e.Size
		total += e.Size
	}
	return total
}

// maxState bounds the state without RAM, in bytes.
const maxState = 1 << 30

// writeTemplate writes a snapshot.
func writeTemplate(w io.Writer, ingredients string, s snapshot) error {
	h := fileHead{Ingredients: ingredients, MemoryMiB: s.memoryMiB, Whole: s.whole}
	var err error
	if h.State, err = size(s.state); err != nil {
		return err
	}
	if s.ram != nil {
		if h.RAM, err = extents(s.ram); err != nil {
			return err
		}
	}
	head, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode template: %w", err)
	}
	if len(head) > maxHead || h.size() < 0 {
		return fmt.Errorf("encode template: %d bytes of head, %d extents", len(head), len(h.RAM))
	}
	sum := sha256.New()
	both := io.MultiWriter(w, sum)
	parts := []io.Reader{
		strings.NewReader(magic),
		bytes.NewReader(binary.BigEndian.AppendUint32(nil, uint32(len(head)))),
		bytes.NewReader(head),
		section(s.state, extent{0, h.State}),
	}
	for _, e := range h.RAM {
		parts = append(parts, section(s.ram, e))
	}
	if _, err := io.CopyBuffer(both, io.MultiReader(parts...), make([]byte, copyBufSize)); err != nil {
		return fmt.Errorf("write template: %w", err)
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("write template: %w", err)
	}
	return nil
}

// readTemplate reads a snapshot into memory. If anything about the file is wrong,
// it returns an error and no snapshot.
func readTemplate(f *os.File, ingredients string) (snapshot, error) {
	sum := sha256.New()
	in := io.TeeReader(f, sum)
	h, err := readHead(in)
	if err != nil {
		return snapshot{}, err
	}
	if h.Ingredients != ingredients {
		got, want, _ := firstDifference(strings.Split(h.Ingredients, "\n"), strings.Split(ingredients, "\n"))
		return snapshot{}, fmt.Errorf("it is of %.200q, not of %.200q", got, want)
	}
	here, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return snapshot{}, err
	}
	is, err := size(f)
	if err != nil {
		return snapshot{}, err
	}
	if want := h.size(); want < 0 || is != here+want+sha256.Size {
		return snapshot{}, fmt.Errorf("it has %d bytes, not %d", is, here+want+sha256.Size)
	}
	s, err := newSnapshot(h.MemoryMiB)
	if err != nil {
		return s, cannotFork(err)
	}
	s.whole = h.Whole
	if err = s.fill(in, h); err == nil {
		err = checkSum(f, sum)
	}
	if err == nil {
		err = s.seal()
	}
	if err != nil {
		s.close()
		return snapshot{}, err
	}
	return s, nil
}

func readHead(in io.Reader) (h fileHead, err error) {
	start := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(in, start); err != nil {
		return h, fmt.Errorf("read head: %w", err)
	}
	n := binary.BigEndian.Uint32(start[len(magic):])
	if string(start[:len(magic)]) != magic || n > maxHead {
		return h, errors.New("it is no template")
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(in, head); err != nil {
		return h, fmt.Errorf("read head: %w", err)
	}
	if err := json.Unmarshal(head, &h); err != nil {
		return h, fmt.Errorf("decode head: %w", err)
	}
	return h, nil
}

// fill copies the state and the RAM from a template's file.
func (s snapshot) fill(in io.Reader, h fileHead) error {
	buf := make([]byte, copyBufSize)
	copyTo := func(f *os.File, e extent) error {
		_, err := io.CopyBuffer(io.NewOffsetWriter(f, e.Offset), io.LimitReader(in, e.Size), buf)
		return err
	}
	if err := copyTo(s.state, extent{0, h.State}); err != nil {
		return err
	}
	for _, e := range h.RAM {
		if err := copyTo(s.ram, e); err != nil {
			return err
		}
	}
	return nil
}

// checkSum compares the checksum of what was read with the one that follows in
// the file.
func checkSum(in io.Reader, sum hash.Hash) error {
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(in, want); err != nil {
		return fmt.Errorf("read sum: %w", err)
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return errors.New("its content does not match its SHA-256")
	}
	return nil
}
