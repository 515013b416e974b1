package modules

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ldlab/ldlab/kernels/internal/strict"
	"github.com/ldlab/ldlab/kernels/internal/unpack"
)

// maxModule is the size in bytes of the largest module that is read, unpacked.
// Distributions ship graphics drivers of some 30 MiB.
const maxModule = 128 << 20

// packings are the ways in which a module is compressed, by what follows .ko in its
// file's name (scripts/Makefile.modinst, v6.12).
var packings = []struct{ suffix, format string }{{"", ""}, {".xz", "xz"}, {".gz", "gzip"}, {".zst", "zstd"}}

// read reads the module in a file; the name is left empty.
func read(file string) (Module, error) {
	f, err := os.Open(file)
	if err != nil {
		return Module{}, err
	}
	defer f.Close()
	for _, p := range packings {
		if !strings.HasSuffix(file, ".ko"+p.suffix) {
			continue
		}
		data, err := unpacked(f, p.format)
		if err != nil {
			return Module{}, strict.Error(err)
		}
		m, err := Parse(data)
		return m, strict.Error(err)
	}
	return Module{}, errors.New("its name does not end like that of a module")
}

// unpacked reads a file that is compressed, or is not if format is empty.
func unpacked(r io.Reader, format string) ([]byte, error) {
	if f, ok := unpack.Named(format); ok {
		return f.Unpack(r, maxModule)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err == nil && len(data) > maxModule {
		err = fmt.Errorf("it has more than %d MiB", maxModule>>20)
	}
	return data, err
}

// signatureMarker ends a module with a signature (MODULE_SIG_STRING in
// include/linux/module_signature.h, v6.12).
const signatureMarker = "~Module signature appended~\n"

// Parse reads what a module says of itself (its section .modinfo). The name is
// that in there, and empty if it is not.
func Parse(data []byte) (Module, error) {
	m := Module{Data: data, Signed: bytes.HasSuffix(data, []byte(signatureMarker))}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return Module{}, fmt.Errorf("it is no module: %w", err)
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil || f.Type != elf.ET_REL {
		return Module{}, errors.New("it is no module: it has no section .modinfo")
	}
	m.Machine = f.Machine
	info, err := section.Data()
	if err != nil {
		return Module{}, fmt.Errorf("read .modinfo: %w", err)
	}
	for _, field := range strings.Split(string(info), "\x00") {
		key, value, _ := strings.Cut(field, "=")
		switch {
		case key == "name":
			m.Name = normal(value)
		case key == "vermagic":
			m.Vermagic = value
		case key == "depends" && value != "":
			m.Depends = strings.Split(value, ",")
		}
	}
	return m, nil
}

// Unsigned is the module without its signature, as strip(1) leaves it: the
// kernel takes it for one that nobody signed. The layout is that of struct
// module_signature (include/linux/module_signature.h, v6.12): the signature, 12
// bytes of which the last four are its length, and the marker.
func (m Module) Unsigned() (Module, error) {
	if !m.Signed {
		return m, nil
	}
	rest := len(m.Data) - len(signatureMarker) - 12
	if rest < 0 {
		return Module{}, fmt.Errorf("module %s: its signature is truncated", m.Name)
	}
	size := m.Data[rest+8 : rest+12]
	n := int(size[0])<<24 | int(size[1])<<16 | int(size[2])<<8 | int(size[3])
	if n < 0 || n > rest {
		return Module{}, fmt.Errorf("module %s: its signature is longer than the file", m.Name)
	}
	m.Data, m.Signed = m.Data[:rest-n], false
	return m, nil
}
