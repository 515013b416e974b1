package main

import (
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/scenarios"
)

// milestones are lines of the kernel's log that tell how a boot goes: what they
// begin with, and what they mark. From init/main.c and init/initramfs.c, v6.12.
var milestones = []struct{ prefix, mark string }{
	{"Trying to unpack rootfs image as initramfs", guestproto.MarkUnpack},
	{"Freeing initrd memory", guestproto.MarkInitramfs},
	{"Run /init as init process", guestproto.MarkInit},
}

// bootMarks reads the whole log of the kernel for milestones. It is called once
// in a guest's life, so its descriptor stays open.
func bootMarks() (marks []scenarios.Mark) {
	records, _, err := newKmsg().read()
	if err != nil {
		return nil // no timing then: it is no evidence of anything
	}
	for _, r := range records {
		for _, m := range milestones {
			if strings.HasPrefix(r.text, m.prefix) {
				marks = append(marks, scenarios.Mark{Name: m.mark, NS: int64(r.at)})
			}
		}
	}
	return marks
}
