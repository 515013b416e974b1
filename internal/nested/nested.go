// Package nested runs the lab in a guest that is a host itself: an emulated machine whose
// processor has the virtualization that KVM uses. So KVM's side of the lab runs on
// machines that have no KVM. It takes minutes and is for tests.
package nested

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/modules"
)

// A Host is the outer guest.
type Host struct {
	Arch    *arch.Arch
	QEMU    []string          // runs the outer guest, with its first arguments; empty: the machine's own
	Kernel  string            // image
	Modules []modules.Module  // in the order in which they are loaded
	Program string            // host/main.go, built for the architecture
	Lab     string            // ldlab, static
	Files   map[string]string // further files: path in the guest, path here; /bin and /lib are those of /usr
	Args    []string          // of ldlab; its results go to Out
	GoEnv   string            // what "go env GOVERSION GOROOT" answers
	MiB     int               // memory
}

// Out is ldlab's --out in the guest.
const Out = "/out/results"

// A Result is what the guest wrote to its console.
type Result struct {
	Console string
	Status  string // the exit status of ldlab
	Results []byte // its results.jsonl
}

// Run boots the guest and returns when it has ended. log gets the console as it comes.
func (h Host) Run(ctx context.Context, log io.Writer) (r Result, err error) {
	dir, err := os.MkdirTemp("", "ldlab-nested-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	initrd := filepath.Join(dir, "initrd")
	if err := h.pack(initrd); err != nil {
		return r, fmt.Errorf("pack the outer guest: %w", err)
	}
	qemu := h.QEMU
	if len(qemu) == 0 {
		qemu = []string{h.Arch.QEMU}
	}
	var console bytes.Buffer
	err = proc.Run(ctx, proc.Command{Argv: append(slices.Clone(qemu), h.machine(initrd)...), Stdout: io.MultiWriter(&console, log)})
	r.Console = console.String()
	if err != nil {
		return r, fmt.Errorf("run the outer guest: %w", err)
	}
	return r, r.parse()
}

// machine are QEMU's arguments. There is one processor: with two, each in a thread of its
// own, guests under the emulated virtualization hung.
func (h Host) machine(initrd string) []string {
	args := []string{"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-accel", "tcg", "-m", fmt.Sprint(h.MiB),
		"-kernel", h.Kernel, "-initrd", initrd, "-serial", "stdio"}
	if h.Arch.Name == "arm64" {
		return append(args, "-machine", "virt,virtualization=on,gic-version=3", "-cpu", "cortex-a72", "-append", "console=ttyAMA0 panic=-1 quiet")
	}
	return append(args, "-machine", "q35", "-cpu", "max,+svm", "-append", "console=ttyS0 panic=-1 quiet")
}

// parse takes the results out of the console.
func (r *Result) parse() error {
	var text strings.Builder
	in, done := false, false
	lines := bufio.NewScanner(strings.NewReader(r.Console))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch {
		case strings.HasPrefix(line, "NESTED-ERROR"):
			return errors.New(line)
		case strings.HasPrefix(line, "NESTED-STATUS "):
			r.Status = strings.TrimPrefix(line, "NESTED-STATUS ")
		case line == "NESTED-RESULTS-BEGIN":
			in = true
		case line == "NESTED-RESULTS-END":
			in, done = false, true
		case in:
			text.WriteString(line)
		}
	}
	if !done {
		return errors.New("the outer guest ended without results")
	}
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text.String())))
	if err != nil {
		return fmt.Errorf("read the results: %w", err)
	}
	if r.Results, err = io.ReadAll(z); err != nil {
		return fmt.Errorf("read the results: %w", err)
	}
	return nil
}

// pack writes the guest's root file system.
func (h Host) pack(to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	a := archive{w: cpio.Newc.Writer(w), made: map[string]bool{".": true}}
	for _, name := range merged {
		a.add(cpio.Symlink(name, "usr/"+name))
	}
	a.add(cpio.Directory("dev", 0o755))
	a.add(cpio.CharDev("dev/console", 0o600, 5, 1))
	for name, file := range h.Files {
		a.file(name, file)
	}
	a.file("init", h.Program)
	a.file("bin/ldlab", h.Lab)
	a.add(cpio.Symlink("usr/bin/go", "/init"))
	var order []string
	for _, m := range h.Modules {
		order = append(order, m.Name)
		a.add(cpio.StaticFile("modules/"+m.Name, string(m.Data), 0o600))
	}
	a.add(cpio.StaticFile("modules/order", strings.Join(order, "\n"), 0o600))
	a.add(cpio.StaticFile("args", strings.Join(h.Args, "\n"), 0o600))
	a.add(cpio.StaticFile("goenv", h.GoEnv, 0o600))
	if a.err == nil {
		a.err = cpio.WriteTrailer(a.w)
	}
	return errors.Join(a.err, w.Flush())
}

// merged are directories that have been links into /usr since Debian 12. Packages differ
// in which of the two names they use.
var merged = []string{"bin", "lib", "lib64", "sbin"}

// inUsr is where a file is once these directories are links.
func inUsr(name string) string {
	name = strings.TrimPrefix(name, "/")
	if top, _, _ := strings.Cut(name, "/"); slices.Contains(merged, top) {
		return "usr/" + name
	}
	return name
}

// An archive makes the directories of what is added to it.
type archive struct {
	w    cpio.RecordWriter
	made map[string]bool
	err  error
}

func (a *archive) add(r cpio.Record) {
	var missing []string
	for dir := path.Dir(r.Name); !a.made[dir]; dir = path.Dir(dir) {
		a.made[dir] = true
		missing = append(missing, dir)
	}
	slices.Reverse(missing)
	for _, dir := range missing {
		a.write(cpio.Directory(dir, 0o755))
	}
	a.made[r.Name] = true
	a.write(r)
}

func (a *archive) write(r cpio.Record) {
	if a.err == nil {
		a.err = a.w.WriteRecord(r)
	}
}

func (a *archive) file(name, from string) {
	data, err := os.ReadFile(from)
	if err != nil {
		a.err = errors.Join(a.err, err)
		return
	}
	a.add(cpio.StaticFile(inUsr(name), string(data), 0o755))
}
