package image

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/unpack"
	"github.com/ldlab/ldlab/kernels/kconfig"
)

// readConfig reads a file with the image's configuration.
func (i *Image) readConfig(file string) error {
	data, err := host.ReadFile(file, kconfig.MaxFile)
	if err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	given, err := kconfig.Parse(data)
	if err != nil {
		return fmt.Errorf("read config %s: %w", file, err)
	}
	if i.Config != nil && !maps.Equal(i.Config, given) {
		return fmt.Errorf("check config %s: the image has its own configuration, and it is another one: leave out --config", file)
	}
	i.Config, i.ConfigPath, i.ConfigSHA256 = given, file, host.Sum(data)
	return checkConfig(file, data, i.Arch, i.Release)
}

// title is the comment with which a configuration begins: ARCH= of its build, and the
// kernel's version (mainmenu in Kconfig, v6.12).
var title = regexp.MustCompile(`(?m)^# Linux/(\w+) (\d+)\.(\d+)(?:\.(\d+))?\S* Kernel Configuration$`)

// version begins a kernel's release.
var version = regexp.MustCompile(`^(\d+)\.(\d+)(?:\.(\d+))?`)

// checkConfig reports why a configuration is not that of a kernel, if it shows of which
// kernel it is. The third number of the version is compared if neither is 0, because
// releases such as Debian's 6.1.0-56 do not have that of the source.
func checkConfig(file string, data []byte, a *arch.Arch, release string) error {
	of := title.FindSubmatch(data)
	if of == nil {
		return nil
	}
	wrong := func(kernel string) error {
		text, _ := strings.CutPrefix(string(of[0]), "# ")
		return fmt.Errorf("check config %s: it is %q, and the image is %s: give the configuration of that kernel", file, text, kernel)
	}
	if own := string(of[1]); own != a.Make && own != a.SrcArch {
		return wrong("for " + a.Name)
	}
	is := version.FindStringSubmatch(release)
	if is == nil {
		return nil
	}
	major, minor, third := string(of[2]), string(of[3]), string(of[4])
	if major != is[1] || minor != is[2] || counts(third) && counts(is[3]) && third != is[3] {
		return wrong(release)
	}
	return nil
}

// counts reports whether a part of a version is there and is not 0.
func counts(text string) bool { return text != "" && text != "0" }

// configIn is the configuration that a kernel with CONFIG_IKCONFIG=y has between two
// marks, compressed by gzip (kernel/configs.c, v6.12); nil if it has none.
func configIn(texts []byte) []byte {
	_, data, found := bytes.Cut(texts, []byte("IKCFG_ST\x1f\x8b"))
	data, _, ends := bytes.Cut(data, []byte("IKCFG_ED"))
	if !found || !ends {
		return nil
	}
	gzip, _ := unpack.Named("gzip")
	text, err := gzip.Unpack(bytes.NewReader(append([]byte("\x1f\x8b"), data...)), kconfig.MaxFile)
	if err != nil {
		return nil
	}
	return text
}
