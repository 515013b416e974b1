//go:build lean

package main

import (
	"context"
	"errors"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
)

// serveSSH is not implemented: the build tag lean means that the program has no
// SSH, because every probe's child would have to load it.
func (*guest) serveSSH(context.Context, vport.Preamble, *port) error {
	return errors.New("this guest program was built without SSH")
}
