package findings

import (
	"fmt"
	"strings"
)

// Template is a finding to fill in. It can be read as it is.
func Template(id string) (string, error) {
	text := strings.Replace(template, "id: ID\n", "id: "+id+"\n", 1)
	if _, err := Parse(id+".yaml", []byte(text)); err != nil {
		return "", fmt.Errorf("make template: %w", err)
	}
	return text, nil
}

// template has every key once.
const template = `id: ID
kind: bug report          # review, history, bug report, impostor or gap
claim: >
  What somebody said, in your own words and in one or two sentences.
source:                   # where: address, Message-ID, commit
  - https://example.org/
kernel: stock             # ldlab list kernels; NAME@BASE for another base
arch: [x86_64]            # and arm64
setting: integrity@boot   # of the steps that name none
# append: module.sig_enforce=1        # kernel arguments
# patch: my.patch                     # beside this file: takes a fix out of the kernel;
#                                     # the claim must hold with it, and not without it
expect: reproduced        # or refuted: what the last run found

# Steps run in order. The steps of one setting that are no probes run in one task of
# a guest of their own. A step without an answer prepares something, and must succeed.
steps:
  # A probe of the lab, and the verdict that it gets if the claim is right.
  - probe: msr/read
    verdict: open
  # open, read and write a file. The answer is an errno, or ok.
  - open: /dev/mem
    flags: O_RDONLY
    answer: EPERM
    lockdown: dev_mem     # the kernel names this reason; none: it names no reason
  - read: /sys/kernel/security/lockdown
    is: "none [integrity] confidentiality\n"   # or has:, lacks:
  # A call by its name. An argument is a number, a text, hex:00ff, zeros:16, or
  # $NAME, a descriptor that an earlier step has named with as: NAME.
  - call: ioperm
    args: [0x80, 1, 1]
    answer: EPERM
    lockdown: ioport
`
