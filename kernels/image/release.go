package image

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
)

// banner begins linux_banner (init/version-timestamp.c, v6.12), which every kernel
// has in its data.
const banner = "Linux version "

// releaseOf is the release of a kernel, as its uname -r has it; empty
// if that is not found. A bzImage has it in its header (kernel_version,
// Documentation/arch/x86/boot.rst, v6.12); an image that is not compressed, in its
// banner.
func releaseOf(c content) string {
	head, err := io.ReadAll(io.NewSectionReader(c, 0, 0x10000))
	if err != nil {
		return ""
	}
	if len(head) >= 0x210 && string(head[0x202:0x206]) == "HdrS" {
		at := int(binary.LittleEndian.Uint16(head[0x20e:])) + 0x200
		if at >= len(head) || at == 0x200 {
			return ""
		}
		return firstWord(head[at:])
	}
	data, err := io.ReadAll(io.LimitReader(c.reader(), maxKernel))
	if err != nil {
		return ""
	}
	for {
		i := bytes.Index(data, []byte(banner))
		if i < 0 {
			return ""
		}
		data = data[i+len(banner):]
		if word := firstWord(data); word != "" && word[0] >= '0' && word[0] <= '9' { // not a format
			return word
		}
	}
}

// firstWord is what stands before the first blank, if it is short and printable.
func firstWord(data []byte) string {
	word, _, found := bytes.Cut(data[:min(len(data), 128)], []byte(" "))
	if !found || strings.ContainsFunc(string(word), func(r rune) bool { return r < '!' || r > '~' }) {
		return ""
	}
	return string(word)
}
