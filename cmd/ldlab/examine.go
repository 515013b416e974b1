package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/initramfs"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels"
)

// A check is the result of one check of the host.
type check struct {
	State string // ok, missing, optional (works without it, slower or not all) or note
	What  string
	Text  string
}

// A diagnosis is all checks of the host, and what to install.
type diagnosis struct {
	Checks   []check
	Packages []string // Debian packages that are missing, optional ones included
	Install  string   `json:",omitempty"` // the command that installs them; empty if there are none
}

// Missing reports whether something that a run needs is missing.
func (d diagnosis) Missing() bool {
	return slices.ContainsFunc(d.Checks, func(f check) bool { return f.State == "missing" })
}

// requirements lists what the host needs for all architectures, each once.
func requirements() []kernels.Requirement {
	var list []kernels.Requirement
	add := func(r kernels.Requirement) {
		if !slices.ContainsFunc(list, func(o kernels.Requirement) bool { return o.Name == r.Name }) {
			list = append(list, r)
		}
	}
	for _, a := range arch.All() {
		add(kernels.Requirement{Name: a.QEMU, Package: a.QEMUPackage, Why: "boots " + a.Name + " guests"})
		for _, r := range kernels.Requirements(a) {
			add(r)
		}
	}
	return list
}

// examine checks the host and changes nothing.
func examine(ctx context.Context) diagnosis {
	var d diagnosis
	need := func(pkg string) {
		if !slices.Contains(d.Packages, pkg) {
			d.Packages = append(d.Packages, pkg)
		}
	}
	for _, r := range requirements() {
		f := check{"ok", r.Name, r.Why}
		if !r.Met(ctx) {
			f.State = "missing"
			if r.Optional() {
				f.State = "optional"
			}
			f.Text += ": Debian package " + r.Package
			need(r.Package)
		}
		d.Checks = append(d.Checks, f)
	}
	for _, a := range arch.All() {
		path := a.FindFirmware()
		if path == "" {
			continue
		}
		f := check{"ok", path, "boots " + a.Name + " guests through UEFI: ACPI tables"}
		if _, err := os.Stat(path); err != nil {
			f.State = "missing"
			f.Text += ": Debian package " + a.FirmwarePackage
			need(a.FirmwarePackage)
		}
		d.Checks = append(d.Checks, f)
	}
	d.Checks = append(d.Checks, gocheck(ctx), cachecheck(), kvmcheck())
	if len(d.Packages) > 0 {
		d.Install = "apt-get install --no-install-recommends " + strings.Join(d.Packages, " ")
		if os.Getuid() != 0 {
			d.Install = "sudo " + d.Install
		}
	}
	return d
}

func gocheck(ctx context.Context) check {
	if dir := initramfs.DefaultPrebuilt(); initramfs.HasPrebuilt(dir) {
		return check{"ok", "programs of guests", dir}
	}
	out, err := proc.Output(ctx, proc.Command{Argv: []string{"go", "version"}})
	if err != nil {
		return check{"missing", "go", "builds the guest's programs: https://go.dev/dl"}
	}
	return check{"ok", "go", strings.TrimSpace(string(out))}
}

func cachecheck() check {
	dir, err := kernels.DefaultCache()
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(dir, "doctor-"); err == nil {
			f.Close()
			err = os.Remove(f.Name())
		}
	}
	if err != nil {
		return check{"missing", "cache", fmt.Sprintf("write %s: %v; set LDLAB_CACHE to another directory", dir, err)}
	}
	return check{"ok", "cache", dir}
}

// kvmcheck only opens /dev/kvm. The first run checks that a guest boots with
// KVM, which running firmware does not prove.
func kvmcheck() check {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return check{"note", "/dev/kvm", fmt.Sprintf("%v: guests are emulated by TCG, which is slower", err)}
	}
	f.Close()
	return check{"note", "/dev/kvm", "opens; the first run checks that a guest boots with it"}
}
