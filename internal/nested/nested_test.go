package nested

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

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

// TestKVMForReal runs the lab under KVM: in an emulated machine whose processor has AMD's
// virtualization. Verdicts and calls are those of TCG. LDLAB_KVM is set by make test-kvm.
func TestKVMForReal(t *testing.T) {
	if os.Getenv("LDLAB_KVM") == "" {
		t.Skip("LDLAB_KVM is not set; make test-kvm sets it")
	}
	a := arch.Get("x86_64")
	lab, host := program(t, a, "./cmd/ldlab"), program(t, a, "./internal/nested/host")
	stock := lookup(t, "stock", a)
	cache := t.TempDir()
	args := []string{"run", "--allow-untested", "--arch", a.Name, "--image", stock.Image, "--config", stock.Config, "--sites", filepath.Join(filepath.Dir(stock.Image), "sites.json"),
		// The emulated virtualization gives the guest sizes of its XSAVE areas that
		// contradict each other, which the kernel warns of (fpu__init_system_xstate, v6.12).
		"--append", "noxsave"}
	for _, s := range tried {
		args = append(args, "--scenario", s)
	}
	for _, s := range settings {
		args = append(args, "--setting", s)
	}
	tcg := t.TempDir() + "/results"
	cmd := exec.Command(lab, append(slices.Clone(args), "--accel", "tcg", "--out", tcg)...)
	cmd.Env = append(os.Environ(), "LDLAB_CACHE="+cache)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("under TCG: %v\n%s", err, tail(string(out)))
	}
	h := Host{
		Arch: a, Kernel: lookup(t, outer, a).Image, Program: host, Lab: lab, MiB: 6144, GoEnv: goEnv(t),
		Modules: kvmModules(t, a), Files: map[string]string{},
		Args: append(slices.Clone(args), "--accel", "kvm", "--jobs", "1", "--out", Out),
	}
	for _, file := range []string{stock.Image, stock.Config, filepath.Join(filepath.Dir(stock.Image), "sites.json")} {
		h.Files[file] = file
	}
	h.addProgram(t, a.QEMU)
	h.addProgram(t, "sh") // ldlab runs the go command beside a shell that ends what it started
	h.addTree(t, "/usr/share/qemu", "/usr/share/seabios")
	h.addCache(t, cache)
	r, err := h.Run(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.Status, "0 ") {
		t.Errorf("ldlab ended with status %s", r.Status)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, results.File), r.Results, 0o600); err != nil {
		t.Fatal(err)
	}
	compare(t, load(t, tcg), load(t, dir))
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
func kvmModules(t *testing.T, a *arch.Arch) []modules.Module {
	t.Helper()
	dir, err := modules.Unpack(t.Context(), lookup(t, outer, a).Modules, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := modules.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	list, err := tree.Order("kvm_amd")
	if err != nil {
		t.Fatal(err)
	}
	return list
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

// addTree adds the files of directories.
func (h *Host) addTree(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() < 1<<20 {
				h.Files[path] = path
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
