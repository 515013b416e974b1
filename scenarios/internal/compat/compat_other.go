//go:build !amd64 && !arm64

package compat

// Do makes the call.
func (s Syscall) Do(args ...Arg) error { return absentError{noCompat} }
