package kernels

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
)

// TablesDigest is a digest (sha256, hex) of the tables of kernels, bases, series,
// configuration, mutants and call sites that are in this program.
func TablesDigest() string {
	sum := sha256.New()
	add := func(name string, data []byte) { fmt.Fprintf(sum, "%s %x\n", name, sha256.Sum256(data)) }
	for _, tree := range []embed.FS{embedded, mutantFiles} {
		err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := tree.ReadFile(name)
			add(name, data)
			return err
		})
		if err != nil { // embedded files are always there
			panic(err)
		}
	}
	add("sites.toml", sitesTOML)
	add("callers.toml", callersTOML)
	return hex.EncodeToString(sum.Sum(nil))
}
