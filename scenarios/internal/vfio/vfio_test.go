package vfio

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// registers are those of a device that answers nothing by itself.
func registers() *device {
	words := make([]uint64, 512)
	return &device{bar0: unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))}
}

// TestTransfer: the device is told the addresses before it is started, and the
// transfer is over when the device takes the bit back.
func TestTransfer(t *testing.T) {
	d := registers()
	told := make(chan [4]uint64, 1)
	go func() {
		for atomic.LoadUint64(d.register(regCommand))&run == 0 {
			time.Sleep(time.Millisecond)
		}
		told <- [4]uint64{*d.register(regSource), *d.register(regTarget), *d.register(regCount), *d.register(regCommand)}
		atomic.StoreUint64(d.register(regCommand), 0)
	}()
	if err := d.do(t.Context(), transfer{buffer, 0x5000, run | toGuest}); err != nil {
		t.Error(err)
	}
	if got := <-told; got != [4]uint64{buffer, 0x5000, count, run | toGuest} {
		t.Errorf("the device was told %#x", got)
	}
}

// TestTransferWithoutEnd ends with its context.
func TestTransferWithoutEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := registers().do(ctx, transfer{0x5000, buffer, run}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// TestLayout: what the kernel reads and writes has the size of
// include/uapi/linux/vfio.h, v6.12, and no transfer leaves edu's buffer, which ends
// QEMU.
func TestLayout(t *testing.T) {
	if size := unsafe.Sizeof(info{}); size != 32 {
		t.Errorf("struct vfio_region_info has %d bytes", size)
	}
	if count >= 4096 {
		t.Errorf("a transfer has %d bytes", count)
	}
}
