package findings

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
)

// LibraryDigest is a digest (sha256, hex) of the findings in this program, with their
// patches.
func LibraryDigest() string {
	sum := sha256.New()
	err := fs.WalkDir(library, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := library.ReadFile(name)
		fmt.Fprintf(sum, "%s %x\n", name, sha256.Sum256(data))
		return err
	})
	if err != nil { // embedded files are always there
		panic(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
