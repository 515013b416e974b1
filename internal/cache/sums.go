package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A File is an entry that is one file.
type File struct {
	SHA256 string // in hex
	Size   int64  // bytes
}

// CheckFile compares a file with the checksum beside it, which Get wrote. The
// error is fs.ErrNotExist if there is no such file; a file without a checksum
// is damaged.
func CheckFile(path string) (File, error) {
	if _, err := os.Stat(path); err != nil {
		return File{}, err
	}
	want, err := os.ReadFile(path + ".sum")
	if err != nil {
		return File{}, errors.New("it has no checksum")
	}
	sum, size, err := SumFile(path)
	if err != nil {
		return File{}, err
	}
	if got := fmt.Sprintf("%s %d\n", sum, size); got != string(want) {
		wantSum, _, _ := strings.Cut(string(want), " ")
		return File{}, fmt.Errorf("it has %d bytes with checksum %.12s, not %.12s", size, sum, strings.TrimSpace(wantSum))
	}
	return File{sum, size}, nil
}

// SumFile is a file's SHA-256, in hex, and its size in bytes.
func SumFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, fmt.Errorf("sum file: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, fmt.Errorf("sum file: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// Sum is the SHA-256 of bytes, in hex.
func Sum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// sumsFile is the list of checksums in an entry that is a directory.
const sumsFile = "SHA256SUMS"

// WriteSums writes SHA256SUMS, which sha256sum -c reads, over all other files
// of a directory. Directories in it are an error.
func WriteSums(dir string) error {
	files, err := os.ReadDir(dir) // sorted
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, f := range files {
		if f.Name() == sumsFile {
			continue
		}
		sum, _, err := SumFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, f.Name())
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(text.String()), 0o644)
}

// CheckSums compares the files that SHA256SUMS lists with their checksums, and
// returns those by file name. The error is fs.ErrNotExist if there is no such
// directory, and only then: a missing file, or one of required that is not
// listed, is damage.
func CheckSums(dir string, required ...string) (map[string]string, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	list := filepath.Join(dir, sumsFile)
	text, err := os.ReadFile(list)
	if err != nil {
		return nil, fmt.Errorf("read checksums: %v", err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || len(sum) != 64 || name != filepath.Base(name) {
			return nil, fmt.Errorf("read checksums: %s is damaged", list)
		}
		want[name] = sum
	}
	for _, name := range required {
		if want[name] == "" {
			return nil, fmt.Errorf("read checksums: %s lacks %s", list, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got, _, err := SumFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read checksums: %v", err)
		}
		if got != want[name] {
			return nil, fmt.Errorf("%s has changed since it was stored", filepath.Join(dir, name))
		}
	}
	return want, nil
}
