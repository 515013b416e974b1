package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// serve keeps to the protocol: it sends Ready, reads the preamble, and serves
// SSH until the machine ends.
func serve(p port) error {
	if _, err := p.Write([]byte(vport.Ready)); err != nil {
		return err
	}
	var pre vport.Preamble
	if err := vport.Read(p, &pre); err != nil {
		return fmt.Errorf("read preamble: %w", err)
	}
	if err := freshen(pre); err != nil {
		return err
	}
	hostKey, err := ssh.ParsePrivateKey(pre.HostKey)
	if err != nil {
		return fmt.Errorf("parse host key: %w", err)
	}
	client, _, _, _, err := ssh.ParseAuthorizedKey(pre.ClientKey)
	if err != nil {
		return fmt.Errorf("parse client key: %w", err)
	}
	conf := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != string(client.Marshal()) {
				return nil, fmt.Errorf("unknown key")
			}
			return nil, nil
		},
	}
	conf.AddHostKey(hostKey)
	_, channels, requests, err := ssh.NewServerConn(conn{p}, conf)
	if err != nil {
		return fmt.Errorf("serve ssh: %w", err)
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		if ch.ChannelType() != "session" {
			if err := ch.Reject(ssh.UnknownChannelType, "sessions only"); err != nil {
				return err
			}
			continue
		}
		channel, requests, err := ch.Accept()
		if err != nil {
			return err
		}
		go session(channel, requests)
	}
	return io.EOF
}

// session runs the first exec request of a channel.
func session(ch ssh.Channel, requests <-chan *ssh.Request) {
	for req := range requests {
		var exec struct{ Command string }
		if req.Type != "exec" || ssh.Unmarshal(req.Payload, &exec) != nil {
			req.Reply(false, nil)
			continue
		}
		req.Reply(true, nil)
		name, arg, _ := strings.Cut(exec.Command, " ")
		status := command(ch, name, arg)
		ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
		ch.Close()
		if exec.Command == vport.CommandOff {
			unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
		}
	}
}

func command(ch ssh.Channel, name, arg string) uint32 {
	switch name {
	case vport.CommandOff:
	case "hello":
		fmt.Fprintln(ch, "hello from", os.Getpid())
	case "uuid":
		return copyFile(ch, "/proc/sys/kernel/random/uuid")
	case "random":
		b := make([]byte, 16)
		unix.Getrandom(b, 0)
		fmt.Fprintf(ch, "%x\n", b)
	case "date":
		fmt.Fprintln(ch, time.Now().UnixNano())
	case "put":
		if os.WriteFile("/word", []byte(arg), 0o600) != nil {
			return 1
		}
	case "get":
		return copyFile(ch, "/word")
	case "tables":
		names, _ := filepath.Glob("/sys/firmware/acpi/tables/*")
		for _, name := range names {
			fmt.Fprintln(ch, filepath.Base(name))
		}
	case "parrot":
		if err := parrot(); err != nil {
			fmt.Fprintln(ch, err)
			return 1
		}
	case "panic":
		sysrq("c")
	case "reboot":
		unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	case "hang":
		hangs()
		for {
			time.Sleep(time.Hour)
		}
	default:
		return 127
	}
	return 0
}

// parrot sends back the first line that it receives on the serial port that is a
// PCI device.
func parrot() error {
	links, _ := filepath.Glob("/sys/class/tty/ttyS*")
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || !strings.Contains(to, "/pci0000:") {
			continue
		}
		port, err := os.OpenFile("/dev/"+filepath.Base(link), os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			return err
		}
		defer port.Close()
		raw := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200}
		raw.Cc[unix.VMIN] = 1
		if err := unix.IoctlSetTermios(int(port.Fd()), unix.TCSETS, &raw); err != nil {
			return err
		}
		fmt.Fprintln(port, "listening")
		line, err := bufio.NewReader(port).ReadString('\n')
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(port, line)
		return err
	}
	return errors.New("no serial port on PCI")
}

func copyFile(w io.Writer, path string) uint32 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 1
	}
	w.Write(b)
	return 0
}

// freshen does what the real guest program does with a preamble.
func freshen(pre vport.Preamble) error {
	now := unix.NsecToTimespec(pre.UnixNano)
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	random, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer random.Close()
	// struct rand_pool_info: bits, bytes, data. The bits count: a machine that
	// booted through UEFI may have none of its own, and would not reseed.
	info := binary.NativeEndian.AppendUint32(nil, uint32(8*len(pre.Entropy)))
	info = binary.NativeEndian.AppendUint32(info, uint32(len(pre.Entropy)))
	info = append(info, pre.Entropy...)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, random.Fd(), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&info[0]))); e != 0 {
		return e
	}
	return unix.IoctlSetInt(int(random.Fd()), unix.RNDRESEEDCRNG, 0)
}

// conn makes the port a net.Conn for package ssh, which uses no deadlines.
type conn struct{ port }

func (conn) Close() error                     { return nil }
func (conn) LocalAddr() net.Addr              { return addr{} }
func (conn) RemoteAddr() net.Addr             { return addr{} }
func (conn) SetDeadline(time.Time) error      { return nil }
func (conn) SetReadDeadline(time.Time) error  { return nil }
func (conn) SetWriteDeadline(time.Time) error { return nil }

type addr struct{}

func (addr) Network() string { return "virtio" }
func (addr) String() string  { return vport.Name }
