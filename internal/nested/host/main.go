// Command host is the first process of a guest that is a host itself: it loads what
// KVM needs, runs ldlab with the arguments of /args, and writes the results to the
// console. As "go" it answers what ldlab asks of the toolchain, whose products are
// in the guest's cache already.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Marks on the console.
const (
	resultsBegin = "NESTED-RESULTS-BEGIN"
	resultsEnd   = "NESTED-RESULTS-END"
)

func main() {
	if filepath.Base(os.Args[0]) == "go" {
		text, err := os.ReadFile("/goenv")
		if err != nil {
			os.Exit(1)
		}
		os.Stdout.Write(text)
		return
	}
	if err := run(); err != nil {
		fmt.Println("NESTED-ERROR", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/dev/shm"}, {"tmpfs", "/out"},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	order, err := os.ReadFile("/modules/order")
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(order)) {
		data, err := os.ReadFile("/modules/" + name)
		if err != nil {
			return err
		}
		if err := unix.InitModule(data, ""); err != nil {
			return fmt.Errorf("load module %s: %w", name, err)
		}
	}
	if _, err := os.Stat("/dev/kvm"); err != nil {
		return err
	}
	args, err := os.ReadFile("/args")
	if err != nil {
		return err
	}
	list := strings.Split(strings.TrimSpace(string(args)), "\n")
	cmd := exec.Command("/bin/ldlab", list...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/root", "LDLAB_CACHE=/cache", "TMPDIR=/tmp"}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	fmt.Println("NESTED-STATUS", cmd.ProcessState.ExitCode(), err)
	return send("/out/results/results.jsonl")
}

// send writes a file to the console, packed.
func send(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(data); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString(packed.Bytes())
	fmt.Println(resultsBegin)
	for len(text) > 0 {
		n := min(len(text), 120)
		fmt.Println(text[:n])
		text = text[n:]
	}
	fmt.Println(resultsEnd)
	return nil
}
