package host

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"regexp"
)

// Sum is the SHA-256 of data, in hex.
func Sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// SumFile is the SHA-256 of a file, in hex.
func SumFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Fit makes a name fit for a path that make can handle.
func Fit(name string) string { return unfit.ReplaceAllString(name, "_") }
