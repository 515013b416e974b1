package main

import (
	"testing"

	"github.com/ldlab/ldlab/initramfs/guest/klog"
)

func TestKernelClockGoesOn(t *testing.T) {
	var c kernelClock
	for begin := c.now(); c.now() <= begin; {
		c.sleep(t.Context(), klog.Jiffy)
	}
}
