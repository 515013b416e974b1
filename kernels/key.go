package kernels

import (
	"crypto/sha256"
	"fmt"
	"io"
)

// recipe is the version of what this package does with its inputs. Raise it
// when the same inputs are to give other bytes.
const recipe = "2"

// computeKey names a result by everything that goes into it. What only makes
// builds faster (ccache, -j) stays out.
func (j *job) computeKey() string {
	h := sha256.New()
	put := func(what string, data []byte) { fmt.Fprintf(h, "%s %d\n%s\n", what, len(data), data) }
	put("recipe", []byte(recipe))
	put("source", []byte(j.origin.SHA256))
	for _, s := range j.series {
		for _, p := range s.patches {
			put("patch", p.data)
		}
	}
	for _, f := range j.frags {
		put("config", f.data)
	}
	put("arch", []byte(j.spec.Arch.Make))
	for _, t := range j.spec.Arch.Targets {
		put("target", []byte(t))
	}
	put("compiler", []byte(j.tools.prefix+" "+j.tools.compiler))
	put("linker", []byte(j.tools.linker))
	put("lab key", []byte(j.lab.fingerprint()))
	put("stranger's key", []byte(j.other.fingerprint()))
	return fmt.Sprintf("%x", h.Sum(nil))
}

// sumReader is the SHA-256 of what is left in r, in hex.
func sumReader(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }
