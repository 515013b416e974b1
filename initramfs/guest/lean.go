//go:build lean

package main

import (
	"context"
	"errors"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
)

// serveSSH refuses: a program with the build tag lean has no SSH, because every
// probe's child would have to load it.
func (*guest) serveSSH(context.Context, vport.Preamble, *port) error {
	return errors.New("this guest program was built without SSH")
}
