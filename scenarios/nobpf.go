//go:build nobpf

package scenarios

import "errors"

// keptProg is missing in a guest program that was built without the library
// that assembles programs for BPF: no probe of its plan needs one.
func keptProg() (func() Result, Result) {
	return nil, failed("bpf(BPF_PROG_LOAD)", errors.New("this guest program was built without BPF"))
}
