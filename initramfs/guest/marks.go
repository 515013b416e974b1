package main

import (
	"strings"

	"github.com/ldlab/ldlab/initramfs/guest/klog"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/scenarios"
)

// milestones maps what a line of the kernel's log begins with to the mark that
// it stands for. The lines are from init/main.c and init/initramfs.c, v6.12.
var milestones = []struct{ prefix, mark string }{
	{"Trying to unpack rootfs image as initramfs", guestproto.MarkUnpack},
	{"Freeing initrd memory", guestproto.MarkInitramfs},
	{"Run /init as init process", guestproto.MarkInit},
}

// bootMarks searches the kernel's whole log for milestones. It leaves its
// descriptor open, because it is called once in a guest's life.
func bootMarks() (marks []scenarios.Mark) {
	records, _, err := klog.New().Read()
	if err != nil {
		return nil // timing is no evidence, so its absence is no error
	}
	for _, r := range records {
		for _, m := range milestones {
			if strings.HasPrefix(r.Text, m.prefix) {
				marks = append(marks, scenarios.Mark{Name: m.mark, NS: int64(r.At)})
			}
		}
	}
	return marks
}
