package scenarios

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
)

// A denied helper vanishes: the verifier asks for it, gets none, and refuses
// the program with EINVAL (kernel/trace/bpf_trace.c:bpf_tracing_func_proto and
// kernel/bpf/helpers.c:bpf_base_func_proto, v6.12). The verifier says the same
// of a helper that was compiled out, hence the control and probe_read_user.
func init() {
	const tracing, base = "kernel/trace/bpf_trace.c:bpf_tracing_func_proto", "kernel/bpf/helpers.c:bpf_base_func_proto"
	needs := []string{"CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS"}
	s := Scenario{Name: "bpf", Title: "read kernel memory and write user memory from BPF programs"}
	for _, h := range []struct {
		name   string
		fn     asm.BuiltinFunc
		reason lockdown.Reason
		expect Expectation
		site   string
	}{
		{"probe-read-kernel", asm.FnProbeReadKernel, "bpf_read_kernel", Gated, base},
		{"probe-read-kernel-str", asm.FnProbeReadKernelStr, "bpf_read_kernel", Gated, base},
		{"probe-read", asm.FnProbeRead, "bpf_read_kernel", Gated, tracing},
		{"probe-read-str", asm.FnProbeReadStr, "bpf_read_kernel", Gated, tracing},
		{"probe-write-user", asm.FnProbeWriteUser, "bpf_write_user", Gated, tracing},
		{"probe-read-user", asm.FnProbeReadUser, "bpf_read_kernel", Free, tracing},
	} {
		s.Probes = append(s.Probes, Probe{
			Name: h.name, Act: fmt.Sprintf("bpf(BPF_PROG_LOAD, raw_tracepoint calling %s)", helperName(h.fn)),
			Reason: h.reason, Expect: h.expect, Site: h.site, Needs: needs,
			Lines: 2, // 6.12 asks once more when the verifier fixes the call up
			Run:   func(context.Context, Env) Result { return loadCalling(h.fn) },
		})
	}
	s.Probes = append(s.Probes, Probe{
		Name: "map", Act: "bpf(BPF_MAP_CREATE, array), update, lookup", Expect: Free,
		Reason: "bpf_read_kernel", Site: "kernel/bpf/syscall.c:map_create", Needs: needs[:1],
		Run: func(context.Context, Env) Result { return useMap() },
	})
	register(s)
}

// helperName is the helper as bpf-helpers(7) and the verifier name it.
func helperName(fn asm.BuiltinFunc) string {
	var b strings.Builder
	for i, r := range strings.TrimPrefix(fn.String(), "Fn") {
		if 'A' <= r && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return "bpf_" + b.String()
}

// calling is the smallest program that calls a helper of the probe_read and
// probe_write family: 8 bytes between the stack and address 0.
func calling(fn asm.BuiltinFunc) asm.Instructions {
	stack, other := asm.R1, asm.R3
	if fn == asm.FnProbeWriteUser { // its first argument is the address written to
		stack, other = asm.R2, asm.R1
	}
	return asm.Instructions{
		asm.Mov.Imm(asm.R0, 0),
		asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
		asm.Mov.Reg(stack, asm.RFP),
		asm.Add.Imm(stack, -8),
		asm.Mov.Imm(other, 0),
		asm.Mov.Imm(sizeArg(fn), 8),
		fn.Call(),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
	}
}

func sizeArg(fn asm.BuiltinFunc) asm.Register {
	if fn == asm.FnProbeWriteUser {
		return asm.R3
	}
	return asm.R2
}

// maxLoads bounds how often a load that a signal cut short is tried.
const maxLoads = 10

// progLoad is the head of union bpf_attr for BPF_PROG_LOAD
// (include/uapi/linux/bpf.h, v6.12).
type progLoad struct {
	progType uint32
	insnCnt  uint32
	insns    uint64
	license  uint64
	logLevel uint32
	logSize  uint32
	logBuf   uint64
}

// loadCalling loads one program with one bpf(2) and nothing around it.
// cilium/ebpf's loader is not used: where probe_read_kernel is refused it
// takes the kernel for an old one and rewrites the calls to probe_read
// (linker.go:fixupProbeReadKernel, v0.22.0), probe_read_user included.
func loadCalling(fn asm.BuiltinFunc) Result {
	act := fmt.Sprintf("bpf(BPF_PROG_LOAD, %s#%d)", helperName(fn), fn)
	var code bytes.Buffer
	// Both architectures of the lab are little endian.
	if err := calling(fn).Marshal(&code, binary.LittleEndian); err != nil {
		return failed("assemble "+act, err)
	}
	insns, license, log := code.Bytes(), []byte("GPL\x00"), make([]byte, 64<<10)
	attr := progLoad{
		progType: uint32(ebpf.RawTracepoint),
		insnCnt:  uint32(len(insns) / asm.InstructionSize),
		insns:    uint64(uintptr(unsafe.Pointer(&insns[0]))),
		license:  uint64(uintptr(unsafe.Pointer(&license[0]))),
		logLevel: 1,
		logSize:  uint32(len(log)),
		logBuf:   uint64(uintptr(unsafe.Pointer(&log[0]))),
	}
	const progLoadCmd = 5 // BPF_PROG_LOAD
	fd, e := uintptr(0), unix.EAGAIN
	// The verifier gives up with EAGAIN where a signal is pending
	// (kernel/bpf/verifier.c:do_check, v6.12); libbpf tries again, too.
	for try := 0; e == unix.EAGAIN && try < maxLoads; try++ {
		fd, _, e = unix.Syscall(unix.SYS_BPF, progLoadCmd, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	}
	runtime.KeepAlive(insns)
	runtime.KeepAlive(license)
	runtime.KeepAlive(log)
	if e == 0 {
		unix.Close(int(fd))
		return judge(act, nil)
	}
	text := string(bytes.TrimRight(log, "\x00"))
	r := judge(act, e)
	if e == unix.EINVAL && helperRefused(text) {
		r.Outcome, r.Why = Denied, ""
	} else if r.Outcome != Failed { // EPERM is not how lockdown answers here
		r.Outcome, r.Why = Failed, "EPERM comes before the verifier asks lockdown"
	}
	if last := lastLine(text); last != "" {
		r.Call += " (" + last + ")"
	}
	return absent(r, "CONFIG_BPF_SYSCALL", unix.ENOSYS)
}

// helperRefused reports whether the verifier's log says that there is no such
// helper: in the words of v6.12 and of v6.1.
func helperRefused(log string) bool {
	return strings.Contains(log, "cannot use helper") || strings.Contains(log, "unknown func")
}

// lastLine is the verifier's reason, without its statistics.
func lastLine(log string) string {
	last := ""
	for line := range strings.Lines(log) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "processed ") {
			last = line
		}
	}
	return fmt.Sprintf("%.120s", last)
}

func useMap() Result {
	const act = "bpf(BPF_MAP_CREATE, array)"
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return absent(judge(act, err), "CONFIG_BPF_SYSCALL", unix.ENOSYS)
	}
	defer m.Close()
	if err := m.Put(uint32(0), uint32(7)); err != nil {
		return judge("bpf(BPF_MAP_UPDATE_ELEM)", err)
	}
	var v uint32
	return judge("bpf(BPF_MAP_LOOKUP_ELEM)", m.Lookup(uint32(0), &v))
}
