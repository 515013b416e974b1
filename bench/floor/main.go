// Command floor is the least that a kernel can be booted for: an init that
// powers off. What the lab's guests take is measured against it.
package main

import "syscall"

func main() {
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}
