package initramfs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// packVersion must change when pack writes other bytes for the same input.
const packVersion = "2"

// readFiles reads the further files of an image, sorted by guest path.
func readFiles(files map[string]string, content map[string][]byte) ([]sourceFile, error) {
	var all []sourceFile
	for name, data := range content {
		all = append(all, sourceFile{strings.TrimPrefix(name, "/"), data})
	}
	for name, host := range files {
		data, err := os.ReadFile(host)
		if err != nil {
			return nil, fmt.Errorf("read file for guest: %w", err)
		}
		all = append(all, sourceFile{strings.TrimPrefix(name, "/"), data})
	}
	slices.SortFunc(all, func(a, b sourceFile) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// pack writes an image to a file: the archive of u-root's commands, if shell is
// not empty, and after it the archive with the guest program as /init.
func pack(to, shell, guest string, files []sourceFile) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("write image: %w", cerr)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if shell != "" {
		if err := appendPadded(w, shell); err != nil {
			return fmt.Errorf("write image: %w", err)
		}
	}
	program, err := os.ReadFile(guest)
	if err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	if err := writeArchive(w, records(program, files)); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	return nil
}

// records are the archive of the guest program: the files that PID 1 needs before
// it mounts anything, PID 1 itself, and the further files with their directories.
func records(program []byte, files []sourceFile) []cpio.Record {
	rs := []cpio.Record{
		cpio.Directory("dev", 0o755),
		cpio.CharDev("dev/console", 0o600, 5, 1), // console_on_rootfs opens it for PID 1 (init/main.c, v6.12)
		cpio.StaticFile("init", string(program), 0o755),
	}
	made := map[string]bool{".": true, "dev": true}
	files = append([]sourceFile{ // u-root's id and ls look names up
		{"etc/group", []byte("root:x:0:\n")},
		{"etc/passwd", []byte("root:x:0:0:root:/:/bbin/gosh\n")},
	}, files...)
	for _, f := range files {
		var missing []string
		for d := path.Dir(f.name); !made[d]; d = path.Dir(d) {
			made[d] = true
			missing = append(missing, d)
		}
		for _, d := range slices.Backward(missing) {
			rs = append(rs, cpio.Directory(d, 0o755))
		}
		rs = append(rs, cpio.StaticFile(f.name, string(f.data), 0o600))
	}
	return rs
}

func writeArchive(w io.Writer, rs []cpio.Record) error {
	c := cpio.Newc.Writer(w)
	for _, r := range rs {
		if err := c.WriteRecord(cpio.MakeReproducible(r)); err != nil {
			return err
		}
	}
	return cpio.WriteTrailer(c)
}

// appendPadded copies an archive and fills its last block with zeros, because the
// next archive must start at a multiple of 4 for the kernel (unpack_to_rootfs,
// init/initramfs.c, v6.12), and of 512 for cpio tools.
func appendPadded(w io.Writer, archive string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(w, f)
	if err != nil {
		return err
	}
	_, err = w.Write(make([]byte, (512-n%512)%512))
	return err
}
