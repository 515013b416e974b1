//go:build !amd64 && !arm64

package compat

// Do makes the call.
func (s Syscall) Do(args ...Arg) error { return absentError{noCompat} }

// Native is unset: what the calls return is another process's.
const Native = false

// Value is not available.
func (s Syscall) Value(...Arg) (int, error) { return 0, absentError{"the calls are another process's"} }
