package image

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestRelease(t *testing.T) {
	boot := func(at uint16, text string) string {
		data := make([]byte, 1024)
		copy(data[0x202:], "HdrS")
		binary.LittleEndian.PutUint16(data[0x20e:], at)
		copy(data[0x300:], text)
		return string(data)
	}
	for name, tt := range map[string]struct{ data, want string }{
		"bzImage":            {boot(0x100, "6.12.9-cloud-amd64 (b@h) #1"), "6.12.9-cloud-amd64"},
		"bzImage without":    {boot(0, "6.12.9 "), ""},
		"bzImage, beyond":    {boot(0xffff, "6.12.9 "), ""},
		"bzImage, no text":   {boot(0x100, "\x01\x02 "), ""},
		"Image":              {strings.Repeat("x", 5000) + "Linux version %s (x)\x00Linux version 6.1.0-50-arm64 (b@h) (gcc) #1", "6.1.0-50-arm64"},
		"Image, format only": {"Linux version %s (%s@%s)", ""},
		"cut off":            {"Linux version 6.12", ""},
		"empty":              {"", ""},
	} {
		if got := releaseOf(contentOf([]byte(tt.data)), []byte(tt.data)); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestVermagic(t *testing.T) {
	const release = "6.12.9-cloud-amd64"
	for data, want := range map[string]string{
		"x\x00" + release + " SMP preempt mod_unload modversions \x00":                          release + " SMP preempt mod_unload modversions ",
		release + " mod_unload aarch64\x00":                                                     release + " mod_unload aarch64",
		"Linux version " + release + " (b@h) #1\x00" + release + "\x00" + release + " SMP \x00": release + " SMP ",
		"Linux version " + release + " SMP \x00":                                                "", // in another text
		release + " SMP":                                                                        "",
		release + "-rt SMP \x00":                                                                "",
		release + " #1 SMP Debian\x00":                                                          "",
		"":                                                                                      "",
	} {
		if got := vermagicOf([]byte(data), release); got != want {
			t.Errorf("%q: %q, want %q", data, got, want)
		}
	}
	if got := vermagicOf([]byte("\x00 SMP \x00"), ""); got != "" {
		t.Errorf("no release: %q", got)
	}
}
