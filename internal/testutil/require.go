// Package testutil has what tests of several rooms need: what must be
// installed, what may be left behind, trees of files, and archives.
package testutil

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// requireEnv names what a test may not lack, in words of the table below, with
// blanks or commas between them, or is "all". At home it is not set, and a test
// that lacks something is skipped.
const requireEnv = "LDLAB_REQUIRE"

// words are what a test may need, and where it comes from.
var words = map[string]string{
	"apt-get":       "Debian package apt",
	"chromium":      "Debian package chromium",
	"bzip2":         "Debian package bzip2",
	"debootstrap":   "scripts/deps nightly installs it",
	"dpkg-deb":      "Debian package dpkg",
	"gcc":           "Debian package gcc",
	"git":           "Debian package git",
	"gzip":          "Debian package gzip",
	"kernel-source": "ldlab build --kernel stock fetches it",
	"kernels":       "ldlab build",
	"lintian":       "scripts/deps nightly installs it",
	"lz4":           "Debian package lz4",
	"make":          "Debian package make",
	"openssl":       "Debian package openssl",
	"ptrace":        "a process may trace another thread of itself: kernel.yama.ptrace_scope is below 3",
	"python3":       "Debian package python3",
	"qemu":          "ldlab doctor --packages lists the Debian packages; make test sets LDLAB_TEST_KERNEL_*",
	"root":          "run it as root",
	"sbverify":      "Debian package sbsigntool",
	"tar":           "Debian package tar",
	"unshare":       "util-linux, which is part of each Debian",
	"xz":            "Debian package xz-utils",
	"zstd":          "Debian package zstd",
}

// Require ends the test if lack is not nil: the test needs what the word names,
// and lack is the reason why it cannot have it. The test fails if LDLAB_REQUIRE
// names the word, and is skipped otherwise. A word that is not in the table is
// a mistake, here and in LDLAB_REQUIRE, and fails the test in any case.
func Require(t testing.TB, word string, lack error) {
	t.Helper()
	required, err := isRequired(os.Getenv(requireEnv), word)
	switch {
	case err != nil:
		t.Fatal(err)
	case lack == nil:
	case required:
		t.Fatalf("%s requires %s: %v (%s)", requireEnv, word, lack, words[word])
	default:
		t.Skipf("no %s: %v (%s)", word, lack, words[word])
	}
}

// RequireProgram returns the path of a program that is a word of the table.
func RequireProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	Require(t, name, err)
	return path
}

// isRequired reports whether the value of LDLAB_REQUIRE names the word.
func isRequired(value, word string) (bool, error) {
	if words[word] == "" {
		return false, fmt.Errorf("the test needs %q, which is not in the table of internal/testutil", word)
	}
	names := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
	for _, name := range names {
		if name != "all" && words[name] == "" {
			return false, fmt.Errorf("unknown word %q in %s: want all, or some of %s", name, requireEnv, strings.Join(known(), " "))
		}
	}
	return slices.Contains(names, word) || slices.Contains(names, "all"), nil
}

func known() []string {
	var names []string
	for name := range words {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
