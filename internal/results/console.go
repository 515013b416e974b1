package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// WriteNew writes a file of the directory that is not there yet: NAME.log, or
// NAME-2.log if an earlier run into the directory left one. It returns its name.
func WriteNew(dir, name string, text []byte) (string, error) {
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
		return "", err
	}
	base := strings.TrimSuffix(name, ".log")
	for n := 2; ; n++ {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			name = fmt.Sprintf("%s-%d.log", base, n)
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(text)
		return name, errors.Join(err, f.Close())
	}
}
