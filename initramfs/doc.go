// Package initramfs builds the guest's root file system: u-root's commands,
// built by its own builder and cached, and after them, as a second archive,
// the guest program. Same inputs give the same bytes.
//
// The kernel unpacks archives one after the other, and a later /init takes the
// place of an earlier one (init/initramfs.c, do_name and clean_path, v6.12).
package initramfs
