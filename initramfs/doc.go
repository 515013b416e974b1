// Package initramfs builds the guest's root file system. It has two archives:
// u-root's commands, which u-root's own builder makes and only an image for
// ldlab shell has, and the guest program. The same inputs give the same bytes.
//
// The kernel unpacks archives one after the other, and a later /init replaces an
// earlier one (do_name and clean_path, init/initramfs.c, v6.12).
package initramfs
