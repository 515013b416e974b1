package testutil

import (
	"os"
	"syscall"
	"testing"
)

// WriteProgram writes a file that a test executes. No process is forked
// meanwhile: it would keep the file open for writing until it executes something
// else, and the kernel executes no such file (ETXTBSY).
func WriteProgram(t testing.TB, path string, content []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
}
