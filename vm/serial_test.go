package vm

import (
	"io"
	"net"
	"testing"
)

func TestNoSerial(t *testing.T) {
	ours, theirs := net.Pipe()
	m := &Machine{}
	if m.keepSerial(ours); m.Serial() != nil {
		t.Error("a machine without a serial port has one")
	}
	if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the end that nobody uses is open: %v", err)
	}
}
