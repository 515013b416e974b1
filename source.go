// Package ldlab carries the sources of the guest program, so that an installed
// ldlab can build it anywhere.
package ldlab

import "embed"

// GuestSource is what `go build ./initramfs/guest` reads of this module. Test
// files are in it, too, for go:embed has no way to leave them out; the builder
// does.
//
//go:embed go.mod go.sum
//go:embed initramfs/guest/*.go initramfs/guest/footprint/*.go initramfs/guest/klog/*.go internal/debugger/*.go internal/guestproto/*.go internal/guestproto/vport/*.go internal/ktap/*.go lockdown/*.go scenarios/*.go scenarios/internal
var GuestSource embed.FS
