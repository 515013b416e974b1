//go:build !amd64

package steps

var own map[string]uintptr
