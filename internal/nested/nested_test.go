package nested

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/kernels/modules"
	"github.com/ldlab/ldlab/matrix"
)

// outer is the kernel of the outer guest. It is Debian's, because the lab's have no KVM.
const outer = "debian:6.12-cloud"

// settings are every level, at boot and at run time, where guests are forks.
var settings = []string{"integrity@boot", "confidentiality@boot", "integrity@runtime", "confidentiality@runtime"}

// tried are the scenarios that depend most on the processor and on who runs the guest.
// Others would take long in an emulated machine that emulates another one's processor.
// The scenario ioport is left out: under the virtualization that QEMU 7.2 emulates, in
// and out of user space fault although the I/O permission bitmap or iopl allows them.
var tried = []string{"devmem", "msr", "pci", "perf", "kexec", "kcore", "kprobes", "module", "securityfs"}

// shape is a call without its numbers, which differ from guest to guest.
func shape(call string) string {
	return regexp.MustCompile(`0x[0-9a-f]+|[0-9]+`).ReplaceAllString(call, "#")
}

// TestKVMForReal runs the lab under KVM: in an emulated machine whose processor has the
// virtualization that KVM uses, with the machine's own QEMU and with newer ones of Debian.
// Verdicts and calls are those of TCG. LDLAB_KVM is set by make test-kvm.
func TestKVMForReal(t *testing.T) {
	if os.Getenv("LDLAB_KVM") == "" {
		t.Skip("LDLAB_KVM is not set; make test-kvm sets it")
	}
	for _, tc := range []struct {
		name, arch string
		qemu       func(h *Host, t *testing.T) // that runs under KVM
		module     string
		more       []string // arguments of ldlab
	}{
		// The emulated virtualization gives the guest sizes of its XSAVE areas that
		// contradict each other, which the kernel warns of (fpu__init_system_xstate, v6.12).
		{"x86_64", "x86_64", (*Host).addOwnQEMU, "kvm_amd", []string{"--append", "noxsave"}},
		{"x86_64 with the newest QEMU", "x86_64", newest("amd64", "qemu-system-x86"), "kvm_amd", []string{"--append", "noxsave"}},
		{"arm64 with the newest QEMU", "arm64", newest("arm64", "qemu-system-arm"), "", nil}, // has KVM built in
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := arch.Get(tc.arch)
			stock := lookup(t, "stock", a)
			sites := filepath.Join(filepath.Dir(stock.Image), "sites.json")
			args := append([]string{"run", "--allow-untested", "--arch", a.Name, "--image", stock.Image, "--config", stock.Config, "--sites", sites}, tc.more...)
			for _, s := range tried {
				args = append(args, "--scenario", s)
			}
			for _, s := range settings {
				args = append(args, "--setting", s)
			}
			cache := t.TempDir()
			tcg := underTCG(t, args, cache)
			h := Host{
				Arch: a, Kernel: lookup(t, outer, a).Image, Program: program(t, a, "./internal/nested/host"), Lab: program(t, a, "./cmd/ldlab"),
				MiB: 6144, GoEnv: goEnv(t), Files: map[string]string{},
				Args: append(slices.Clone(args), "--accel", "kvm", "--jobs", "1", "--out", Out),
			}
			if tc.module != "" {
				h.Modules = kvmModules(t, a, tc.module)
			}
			for _, file := range []string{stock.Image, stock.Config, sites} {
				h.Files[file] = file
			}
			tc.qemu(&h, t)
			h.addCache(t, cache)
			compare(t, tcg, underKVM(t, h))
		})
	}
}

// underTCG runs the lab on this machine, and keeps in cache what it builds for its guests.
func underTCG(t *testing.T, args []string, cache string) *matrix.Matrix {
	t.Helper()
	out := t.TempDir() + "/results"
	cmd := exec.Command(program(t, arch.Get(runtime.GOARCH), "./cmd/ldlab"), append(slices.Clone(args), "--accel", "tcg", "--out", out)...)
	cmd.Env = append(os.Environ(), "LDLAB_CACHE="+cache)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("under TCG: %v\n%s", err, tail(string(text)))
	}
	return load(t, out)
}

// underKVM runs the lab in a guest that is a host.
func underKVM(t *testing.T, h Host) *matrix.Matrix {
	t.Helper()
	start := time.Now()
	r, err := h.Run(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the outer guest ran for %s", time.Since(start).Round(time.Second))
	if !strings.HasPrefix(r.Status, "0 ") {
		t.Errorf("ldlab ended with status %s", r.Status)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, results.File), r.Results, 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, dir)
}

// compare holds the verdicts and calls under KVM against those under TCG.
func compare(t *testing.T, tcg, kvm *matrix.Matrix) {
	t.Helper()
	a, b := tcg.Tables[0], kvm.Tables[0]
	if len(a.Columns) != len(b.Columns) || len(a.Rows) != len(b.Rows) {
		t.Fatalf("%d settings and %d probes under KVM, %d and %d under TCG", len(b.Columns), len(b.Rows), len(a.Columns), len(a.Rows))
	}
	for i, row := range a.Rows {
		for j, c := range row.Cells {
			k := b.Rows[i].Cells[j]
			if c.Verdict != k.Verdict || c.Observed != nil && k.Observed != nil && shape(c.Observed.Call) != shape(k.Observed.Call) {
				t.Errorf("%s under %s: %s (%s) with TCG, %s (%s) with KVM", row.Probe, a.Columns[j].Setting, c.Verdict, c.Why, k.Verdict, k.Why)
			}
		}
	}
	if !kvm.AsExpected() {
		t.Errorf("under KVM the run is not as expected: %v", kvm.Errors())
	}
	for j, c := range b.Columns {
		if runtime := strings.HasSuffix(c.Setting.String(), "@runtime"); runtime != c.Forked && c.Setting.Locked() {
			t.Errorf("column %d, %s: forked is %v", j, c.Setting, c.Forked)
		}
	}
}

func load(t *testing.T, dir string) *matrix.Matrix {
	t.Helper()
	set, err := results.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := set.Matrix()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// program builds one of this module's programs, static.
func program(t *testing.T, a *arch.Arch, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+a.GOARCH)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, text)
	}
	return out
}

func goEnv(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOVERSION", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// lookup finds a kernel that make test-kvm has built or fetched.
func lookup(t *testing.T, name string, a *arch.Arch) kernels.Built {
	t.Helper()
	tables, err := kernels.Load()
	if err != nil {
		t.Fatal(err)
	}
	k, ok := tables.Kernel(name)
	if !ok {
		t.Fatalf("no kernel %s", name)
	}
	built, ok, err := (&kernels.Builder{}).Lookup(t.Context(), kernels.Spec{Kernel: k, Arch: a})
	if err == nil && !ok {
		err = fs.ErrNotExist
	}
	testutil.Require(t, "kernels", err)
	return built
}

// kvmModules are what the outer kernel needs for /dev/kvm.
func kvmModules(t *testing.T, a *arch.Arch, name string) []modules.Module {
	t.Helper()
	tree, err := modules.Read(t.Context(), lookup(t, outer, a).Modules)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	list, err := tree.Order(name)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// addOwnQEMU adds this machine's QEMU.
func (h *Host) addOwnQEMU(t *testing.T) {
	h.addProgram(t, h.Arch.QEMU)
	h.addProgram(t, "sh") // ldlab runs the go command beside a shell that ends what it started
	h.addTree(t, "", "/usr/share/qemu", "/usr/share/seabios")
}

// newest adds the QEMU package pkg of Debian's newest suite. debian is the architecture
// of the host.
func newest(debian, pkg string) func(h *Host, t *testing.T) {
	return func(h *Host, t *testing.T) {
		root := t.TempDir()
		if text, err := exec.Command("../../scripts/debs", debian, "unstable", root, pkg, "dash").CombinedOutput(); err != nil {
			t.Fatalf("scripts/debs: %v\n%s", err, tail(string(text)))
		}
		for _, dir := range []string{"bin", "usr/bin"} {
			for _, name := range []string{h.Arch.QEMU, "dash"} {
				if file := filepath.Join(root, dir, name); exists(file) {
					h.Files["/usr/bin/"+strings.Replace(name, "dash", "sh", 1)] = file
				}
			}
		}
		if h.Arch.Native() { // under QEMU 7.2 the machine stops as soon as QEMU 11 has a guest in it
			lib := filepath.Join(root, "usr/lib")
			h.QEMU = []string{filepath.Join(root, "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", filepath.Join(lib, "x86_64-linux-gnu"),
				filepath.Join(root, "usr/bin", h.Arch.QEMU), "-L", filepath.Join(root, "usr/share/qemu"), "-L", filepath.Join(root, "usr/share/seabios")}
		}
		h.addTree(t, root, "/usr/share/qemu", "/usr/share/seabios")
		h.addLibraries(t, root, "lib", "lib64", "usr/lib", "usr/lib64")
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// addLibraries adds the shared libraries in directories of a root file system.
func (h *Host) addLibraries(t *testing.T, root string, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if !exists(filepath.Join(root, dir)) {
			continue
		}
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".so") {
				return err
			}
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() { // links to the file, too
				h.Files[strings.TrimPrefix(path, root)] = path
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// addProgram adds a program and the libraries that it is linked with.
func (h *Host) addProgram(t *testing.T, name string) {
	t.Helper()
	file, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ldd", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	h.Files[file], h.Files["/bin/"+filepath.Base(file)] = file, file // QEMU finds its files beside where it is
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "/") {
			h.Files[word] = word
		}
	}
}

// addTree adds the small files of directories of a root file system.
func (h *Host) addTree(t *testing.T, root string, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if !exists(root + dir) { // another architecture's QEMU comes without SeaBIOS
			continue
		}
		err := filepath.WalkDir(root+dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() < 1<<20 {
				h.Files[strings.TrimPrefix(path, root)] = path
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// addCache adds what the lab built for its guests, so that it builds nothing there.
func (h *Host) addCache(t *testing.T, cache string) {
	t.Helper()
	for _, pattern := range []string{"guest-*", "initramfs-*", "tables-*", "variables-*", "kernel-*"} {
		files, err := filepath.Glob(filepath.Join(cache, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			h.Files["/cache/"+filepath.Base(f)] = f
		}
	}
}

// tail is the end of a text.
func tail(text string) string { return text[max(0, len(text)-2000):] }

// TestParse: results come back as they were sent, and an end without them is an error.
func TestParse(t *testing.T) {
	r := Result{Console: "boot\r\nNESTED-STATUS 0 <nil>\r\n"}
	if err := r.parse(); err == nil {
		t.Error("no results, and no error")
	}
	r = Result{Console: "x\nNESTED-ERROR load module kvm_amd: EIO\n"}
	if err := r.parse(); err == nil || !bytes.Contains([]byte(err.Error()), []byte("kvm_amd")) {
		t.Errorf("%v", err)
	}
}
