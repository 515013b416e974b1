package callsites

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/ldlab/ldlab/lockdown"
)

// notKernel are directories at the top of a tree that hold no kernel code.
var notKernel = []string{"Documentation", "tools", "scripts", "samples", "usr"}

// Source lists the calls in the source of a kernel, compiled or not. It reads
// all of the source, which takes seconds.
func Source(ctx context.Context, tree string) ([]lockdown.SourceSite, error) {
	files := make(chan string)
	var mu sync.Mutex
	var sites []lockdown.SourceSite
	var failed error // that of the first file by name, whoever read it
	var failedFile string
	var wg sync.WaitGroup
	for range 4 { // most of the time is the disk's
		wg.Go(func() {
			for file := range files {
				data, err := os.ReadFile(filepath.Join(tree, file))
				found := File(filepath.ToSlash(file), data)
				mu.Lock()
				if err != nil && (failed == nil || file < failedFile) {
					failed, failedFile = err, file
				}
				sites = append(sites, found...)
				mu.Unlock()
			}
		})
	}
	err := filepath.WalkDir(tree, func(file string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(tree, file)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(notKernel, rel) || rel != "." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.Type().IsRegular() && (strings.HasSuffix(rel, ".c") || strings.HasSuffix(rel, ".h")):
			files <- rel
		}
		return nil
	})
	close(files)
	wg.Wait()
	if err = cmp.Or(err, failed); err != nil {
		return nil, fmt.Errorf("look for calls of %s: %w", callee, err)
	}
	SortSource(sites)
	return sites, nil
}

// SortSource puts sites in the order of files and lines. Those of one line stay
// in their order.
func SortSource(sites []lockdown.SourceSite) {
	slices.SortStableFunc(sites, func(a, b lockdown.SourceSite) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

var callText = regexp.MustCompile(callee + `\(\s*(LOCKDOWN_[A-Z0-9_]+)\s*\)`)

// File lists the calls in one file of the source.
func File(name string, text []byte) []lockdown.SourceSite {
	if !bytes.Contains(text, []byte(callee)) {
		return nil
	}
	var sites []lockdown.SourceSite
	for _, m := range callText.FindAllSubmatchIndex(text, -1) {
		reason, _ := lockdown.ParseReason(string(text[m[2]:m[3]]))
		line := 1 + bytes.Count(text[:m[1]], []byte("\n"))
		sites = append(sites, lockdown.SourceSite{File: name, Function: functionBefore(text[:m[0]]), Line: line, Reason: reason})
	}
	return sites
}

var (
	headLine   = regexp.MustCompile(`(?m)^(?:[A-Za-z_][^;={}(]*?\b)?([A-Za-z_]\w*)\s*\(`)
	systemCall = regexp.MustCompile(`^(COMPAT_)?SYSCALL_DEFINE[0-6]$`)
	firstWord  = regexp.MustCompile(`^\s*(\w+)`)
)

// functionBefore names the function that the end of a text is in, as __func__
// does. The kernel's style puts its head at the beginning of a line, and its
// opening brace alone at the beginning of another.
func functionBefore(text []byte) string {
	brace := bytes.LastIndex(text, []byte("\n{"))
	if brace < 0 {
		return ""
	}
	// The head is what comes after the last blank line or end of a block.
	head := text[:brace]
	for _, sep := range []string{"\n\n", "\n}", "*/\n", ";\n"} {
		if i := bytes.LastIndex(head, []byte(sep)); i >= 0 {
			head = head[i+len(sep):]
		}
	}
	m := headLine.FindSubmatchIndex(head)
	if m == nil {
		return ""
	}
	name := string(head[m[2]:m[3]])
	if s := systemCall.FindStringSubmatch(name); s != nil {
		// include/linux/syscalls.h, v6.12: the body is __do_sys_NAME.
		if arg := firstWord.FindSubmatch(head[m[1]:]); arg != nil {
			return "__do_" + strings.ToLower(s[1]) + "sys_" + string(arg[1])
		}
	}
	return name
}
