package tracefs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A Pipe is the open file trace_pipe, which is emptied by reading.
type Pipe struct{ fd int }

// OpenPipe opens trace_pipe. The report is Allowed if that worked.
func OpenPipe() (Pipe, observe.Report) {
	path := filepath.Join(Dir, "trace_pipe")
	fd, r := observe.Open(path, unix.O_RDONLY|unix.O_NONBLOCK)
	if r = DeniedIfEmpty(r, "CONFIG_TRACING"); r.Outcome != observe.Allowed {
		return Pipe{-1}, r.Saw(false, "the file is not open")
	}
	return Pipe{fd}, r
}

// Close closes the file.
func (p Pipe) Close() { unix.Close(p.fd) }

// Line returns the rest of the first line that has the text; "" if no line has it.
func (p Pipe) Line(text string) string {
	const most = 1 << 20 // bytes: more than an act leaves there
	var all []byte
	b := make([]byte, 16*os.Getpagesize())
	for len(all) < most {
		n, err := unix.Read(p.fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			break
		}
		all = append(all, b[:n]...)
		if _, rest, found := bytes.Cut(all, []byte(text)); found {
			if line, _, ended := bytes.Cut(rest, []byte("\n")); ended {
				return string(line)
			}
		}
	}
	return ""
}

// ReadFunction is a function of the kernel whose code is known: it returns -ENOSYS
// (kernel/sys_ni.c, v6.12).
const ReadFunction = "sys_ni_syscall"

// returnsENOSYS is the instruction that loads the function's result: mov $-38,%rax,
// and mov x0, #-38.
func returnsENOSYS() []byte {
	if runtime.GOARCH == "amd64" {
		return []byte{0x48, 0xc7, 0xc0, 0xda, 0xff, 0xff, 0xff}
	}
	return []byte{0xa0, 0x04, 0x80, 0x92}
}

// readWords is how much of the function an event reads, in words of 64 bits. What
// begins it differs by the kernel's configuration: endbr64, bti, calls of ftrace.
const readWords = 4

// EventProbe is what defines an event that reads the function whenever the scheduler
// switches.
func EventProbe() string {
	text := "e:ldlab/eprobe sched/sched_switch"
	for i := range readWords {
		text += fmt.Sprintf(" w%d=@%s+%d:x64", i, ReadFunction, 8*i)
	}
	return text
}

// ReadByEventProbe defines the event, has the scheduler switch, and compares what
// the event has read.
func ReadByEventProbe() observe.Report {
	events := filepath.Join(Dir, "dynamic_events")
	pipe, r := OpenPipe()
	if r.Outcome != observe.Allowed {
		return r
	}
	defer pipe.Close()
	r = DeniedIfEmpty(observe.WriteText(events, EventProbe()), "CONFIG_DYNAMIC_EVENTS")
	if r.Outcome != observe.Allowed {
		return r.Saw(false, "there is no such event")
	}
	defer observe.WriteCommand(events, "-:ldlab/eprobe")
	enable := filepath.Join(Dir, "events/ldlab/eprobe/enable")
	if on := observe.WriteText(enable, "1"); on.Outcome != observe.Allowed {
		return on.Saw(false, "the event is off")
	}
	time.Sleep(time.Millisecond)
	if err := observe.WriteCommand(enable, "0"); err != nil {
		return observe.SetupFailed(observe.WriteCall(enable, "0"), err)
	}
	line := pipe.Line("eprobe: ")
	code := wordsOf(line)
	return r.Saw(bytes.Contains(code, returnsENOSYS()), fmt.Sprintf("trace_pipe has % x of %s, which begins by loading -ENOSYS: % x", code, ReadFunction, returnsENOSYS()))
}

// wordsOf are the values of the fields of an event, as they are in memory.
func wordsOf(line string) (code []byte) {
	for i := range readWords {
		_, rest, _ := strings.Cut(line, fmt.Sprintf(" w%d=", i))
		var word uint64
		if _, err := fmt.Sscanf(rest, "0x%x", &word); err != nil {
			return nil
		}
		code = binary.LittleEndian.AppendUint64(code, word)
	}
	return code
}
