package image

import (
	"bytes"
	"encoding/binary"
	"io"
	"regexp"
	"slices"
	"strings"
)

// banner begins linux_banner (init/version-timestamp.c, v6.12), which every kernel
// has in its data.
const banner = "Linux version "

// releaseOf is the release of a kernel, as its uname -r has it; empty
// if that is not found. A bzImage has it in its header (kernel_version,
// Documentation/arch/x86/boot.rst, v6.12); an image that is not compressed, in its
// banner.
func releaseOf(c content, texts []byte) string {
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
	for {
		i := bytes.Index(texts, []byte(banner))
		if i < 0 {
			return ""
		}
		texts = texts[i+len(banner):]
		if word := firstWord(texts); word != "" && word[0] >= '0' && word[0] <= '9' { // not a format
			return word
		}
	}
}

// vermagicOf is what the kernel of a release wants of its modules (vermagic in
// kernel/module/main.c, v6.12): the release, and options such as SMP and modversions;
// empty if the kernel does not show it. On some architectures, the name of the
// architecture follows.
func vermagicOf(texts []byte, release string) string {
	if release == "" {
		return ""
	}
	begin := []byte(release + " ")
	for {
		i := bytes.Index(texts, begin)
		if i < 0 {
			return ""
		}
		text, _, ends := bytes.Cut(texts[i:min(len(texts), i+256)], []byte{0})
		whole := ends && (i == 0 || texts[i-1] == 0)
		texts = texts[i+len(begin):]
		options := strings.Fields(string(text[len(begin):]))
		if whole && len(options) > 0 && !slices.ContainsFunc(options, func(o string) bool { return !option.MatchString(o) }) {
			return string(text)
		}
	}
}

// option is a word of a vermagic after the release (include/linux/vermagic.h and
// asm/vermagic.h, v6.1 to v7.2).
var option = regexp.MustCompile(`^(SMP|preempt|preempt_rt|mod_unload|modversions|aarch64|RANDSTRUCT_[0-9a-f]+)$`)

// firstWord is what stands before the first blank, if it is short and printable.
func firstWord(data []byte) string {
	word, _, found := bytes.Cut(data[:min(len(data), 128)], []byte(" "))
	if !found || strings.ContainsFunc(string(word), func(r rune) bool { return r < '!' || r > '~' }) {
		return ""
	}
	return string(word)
}
