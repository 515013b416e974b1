package scenarios

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxAttr bounds what is read of a file of the kernel, in bytes.
const maxAttr = 4 << 10

// writeAct is write(2) to a file as strace prints it.
func writeAct(path, text string) string { return fmt.Sprintf("write(%q, %q)", path, text) }

// readText opens a file and reads its beginning, without the last newline.
func readText(path string) (text string, r Result) {
	r = with(path, unix.O_RDONLY, func(fd int) Result {
		b := make([]byte, maxAttr)
		n, err := unix.Read(fd, b)
		text = strings.TrimSuffix(string(b[:max(n, 0)]), "\n")
		return judge(fmt.Sprintf("read(%q)", path), err)
	})
	return text, r
}

// writeText opens a file and writes to it, in one piece.
func writeText(path, text string) Result {
	return with(path, unix.O_WRONLY, func(fd int) Result {
		_, err := unix.Write(fd, []byte(text))
		return judge(writeAct(path, text), err)
	})
}

// rewrite writes to a file what it holds, so that nothing changes.
func rewrite(path string) Result {
	text, r := readText(path)
	if r.Outcome != Allowed {
		return unread(r)
	}
	return writeText(path, text)
}

// unread is the result of an act that starts with a read which did not come
// about: a refusal to read is not the refusal to write that is looked for.
func unread(r Result) Result {
	if r.Outcome == Denied {
		r.Outcome, r.Why = Failed, "what to write cannot be read"
	}
	return r
}

// onCommandLine reports whether the kernel was started with the argument.
func onCommandLine(arg string) bool {
	line, err := os.ReadFile("/proc/cmdline")
	for _, f := range strings.Fields(string(line)) {
		if err == nil && f == arg {
			return true
		}
	}
	return false
}
