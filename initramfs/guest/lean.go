//go:build lean

package main

import (
	"errors"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
)

// serveSSH is missing where there is no shell to serve: every probe's
// child would have to be started with it.
func (*guest) serveSSH(vport.Preamble, *port) error {
	return errors.New("this guest program was built without SSH")
}
