package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/guestproto"
)

// loadModules loads the modules that the host has put into the guest, and removes
// their files, which take memory. It returns what failed.
func loadModules(dir string) (errs []string) {
	files, err := os.ReadDir(dir) // by name in order
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []string{fmt.Sprintf("load modules: %v", err)}
	}
	for _, f := range files {
		if err := loadModule(filepath.Join(dir, f.Name())); err != nil {
			errs = append(errs, fmt.Sprintf("%s%s: %v", guestproto.LoadFailed, f.Name(), explainLoad(err)))
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		errs = append(errs, fmt.Sprintf("load modules: %v", err))
	}
	return errs
}

// loadModule loads a module. It is no error if the kernel has it already, or if
// the machine lacks what it drives: EFI variables without EFI, instructions that
// the CPU does not have.
func loadModule(file string) error {
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.FinitModule(fd, "", 0)
	switch {
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EOPNOTSUPP):
		return nil
	}
	return err
}

// explainLoad adds to what the kernel answers of a module that is not its own
// (check_modinfo, check_modstruct_version, simplify_symbols and mod_verify_sig in
// kernel/module, v6.12).
func explainLoad(err error) error {
	switch {
	case errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: it is not one of this kernel, because its symbols or their versions are others: give the modules of this kernel", err)
	case errors.Is(err, unix.EKEYREJECTED), errors.Is(err, unix.ENOKEY), errors.Is(err, unix.EBADMSG):
		return fmt.Errorf("%w: it is not as this kernel's maker signed it: give the modules of this kernel", err)
	}
	return err
}
