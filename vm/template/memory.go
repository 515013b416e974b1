package template

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// newMemory makes a file of size bytes in memory. It has no name and is on no
// mount, so no tmpfs can be full, and a lab that is killed leaves nothing: the
// file disappears with the last process that has it open.
func newMemory(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate("ldlab-"+name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "memfd:"+name)
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, fmt.Errorf("make memory file of %d MiB: %w", size>>20, err)
	}
	return f, nil
}

// newMemoryOf makes a sealed file in memory with that content.
func newMemoryOf(name string, content []byte) (*os.File, error) {
	f, err := newMemory(name, 0)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(content)
	if err == nil {
		err = seal(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// seal makes the kernel refuse every change of a memory file, by root too
// (memfd_create(2)). Private mappings stay possible, and writable. It fails while
// somebody maps the file shared and writable, as QEMU does until it has exited.
func seal(f *os.File) error {
	const all = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, all); err != nil {
		return fmt.Errorf("seal %s: %w", f.Name(), err)
	}
	return nil
}

// fdPath is the path of an open descriptor, for the process that has it.
func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// An extent is a part of a file that is not a hole, in bytes.
type extent struct{ Offset, Size int64 }

// extents lists the parts of a file that have data.
func extents(f *os.File) ([]extent, error) {
	var list []extent
	for end := int64(0); ; {
		start, err := unix.Seek(int(f.Fd()), end, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return list, nil
		}
		if err == nil {
			end, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
		}
		if err != nil {
			return nil, fmt.Errorf("find data in %s: %w", f.Name(), err)
		}
		list = append(list, extent{start, end - start})
	}
}

// size returns the size of a file, in bytes.
func size(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	return info.Size(), nil
}

// section reads one part of a file without moving the file's offset.
func section(f *os.File, e extent) io.Reader { return io.NewSectionReader(f, e.Offset, e.Size) }
