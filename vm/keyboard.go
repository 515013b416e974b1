package vm

import (
	"context"
	"fmt"
	"strings"
)

// A Keyboard is a keyboard, for Machine.PressSysRq. A machine has at most one.
type Keyboard struct{}

// Argv adds the keyboard. It is virtio's, because a PCI device is the same on both
// architectures, and a kernel without its driver spends no time on it.
func (d Keyboard) Argv() []string { return []string{"-device", "virtio-keyboard-pci"} }

// KernelArgs is empty.
func (d Keyboard) KernelArgs() []string { return nil }

// Files is empty.
func (d Keyboard) Files() []string { return nil }

// A keyEvent is InputEvent of QEMU's qapi/ui.json.
type keyEvent struct {
	Type string `json:"type"`
	Data key    `json:"data"`
}

// A key is InputKeyEvent.
type key struct {
	Down bool    `json:"down"`
	Key  keyName `json:"key"`
}

// A keyName is KeyValue by the name of a QKeyCode.
type keyName struct {
	Type string `json:"type"`
	Data string `json:"data"`
}

// PressSysRq presses a letter or digit on the Keyboard together with Alt and SysRq,
// and with shift if it is a capital letter, and lets all go. It returns when QEMU has
// taken the events; the guest may read them later.
func (m *Machine) PressSysRq(ctx context.Context, letter string) error {
	err := m.mon.Run(ctx, "input-send-event", map[string]any{"events": sysRq(letter)}, nil)
	if err != nil {
		return fmt.Errorf("press Alt, SysRq and %q: %w", letter, err)
	}
	return nil
}

// sysRq is the events of PressSysRq.
func sysRq(letter string) (events []keyEvent) {
	codes := []string{"alt", "sysrq"}
	small := strings.ToLower(letter)
	if small != letter {
		codes = append(codes, "shift")
	}
	codes = append(codes, small) // letters and digits name their own keys
	event := func(code string, down bool) {
		events = append(events, keyEvent{"key", key{down, keyName{"qcode", code}}})
	}
	for _, code := range codes {
		event(code, true)
	}
	for i := range codes {
		event(codes[len(codes)-1-i], false)
	}
	return events
}
