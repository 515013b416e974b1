package build

import (
	"crypto/sha256"
	"fmt"
)

// recipe is the version of what this package does with its inputs. Raise it
// when the same inputs are to give other bytes.
const recipe = "3"

// computeKey names a result by everything that goes into it. What only makes
// builds faster (ccache, -j) stays out.
func (j *job) computeKey() string {
	h := sha256.New()
	put := func(what string, data []byte) { fmt.Fprintf(h, "%s %d\n%s\n", what, len(data), data) }
	put("recipe", []byte(recipe))
	put("source", []byte(j.origin.SHA256))
	for _, s := range j.Series {
		for _, p := range s.Patches {
			put("patch", p.Data)
		}
	}
	for _, f := range j.Fragments {
		put("config", f.Data)
	}
	put("arch", []byte(j.Arch.Make))
	for _, t := range j.Arch.Targets {
		put("target", []byte(t))
	}
	put("compiler", []byte(j.tools.prefix+" "+j.tools.compiler))
	put("linker", []byte(j.tools.linker))
	put("lab key", []byte(j.lab.fingerprint()))
	put("untrusted key", []byte(j.untrusted.fingerprint()))
	return fmt.Sprintf("%x", h.Sum(nil))
}
