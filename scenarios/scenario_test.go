package scenarios

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/ldlab/ldlab/lockdown"
)

// TestRows is the property test of the table of probes.
func TestRows(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(-[a-z0-9]+)*$`)
	site := regexp.MustCompile(`^[a-z0-9_/-]+\.c(:[a-z0-9_]+)?$`)
	config := regexp.MustCompile(`^CONFIG_[A-Z0-9_]+$`)
	changes := false
	for _, r := range Rows() {
		if !name.MatchString(r.ID) {
			t.Errorf("%s: not a name of a probe", r.ID)
		}
		if found, ok := Find(r.ID); !ok || found.Call != r.Call {
			t.Errorf("%s: Find does not find it", r.ID)
		}
		if !site.MatchString(r.Site) {
			t.Errorf("%s: site %q names no file and function of the kernel", r.ID, r.Site)
		}
		if _, ok := lockdown.Info(r.Reason); !ok && r.Expect != ABI {
			t.Errorf("%s: %s probe of unknown reason %q", r.ID, r.Expect, r.Reason)
		}
		for _, n := range r.Needs {
			if !config.MatchString(n) {
				t.Errorf("%s: needs %q, which is no CONFIG symbol", r.ID, n)
			}
		}
		if changes && !r.AltersLock {
			t.Errorf("%s comes after a probe that changes what is locked", r.ID)
		}
		changes = r.AltersLock
	}
}

// TestEveryGateHasANegativeControl wants a free probe beside the gated ones of
// each scenario: a kernel that denies everything must not look enforced.
func TestEveryGateHasANegativeControl(t *testing.T) {
	for _, s := range All() {
		has := func(e Expectation) bool {
			return slices.ContainsFunc(s.Probes, func(p Probe) bool { return p.Expect == e })
		}
		if has(Checked) && !has(Unchecked) {
			t.Errorf("%s has gated probes and no free one", s.Name)
		}
	}
}

func TestBPFProgramsAssemble(t *testing.T) {
	for _, fn := range []asm.BuiltinFunc{asm.FnProbeRead, asm.FnProbeReadKernelStr, asm.FnProbeWriteUser} {
		var b bytes.Buffer
		if err := calling(fn).Marshal(&b, binary.LittleEndian); err != nil {
			t.Errorf("%s: %v", helperName(fn), err)
		}
		if n := b.Len(); n == 0 || n%asm.InstructionSize != 0 {
			t.Errorf("%s: %d bytes of instructions", helperName(fn), n)
		}
	}
	for name, prog := range map[string]asm.Instructions{"reading": reading(0xffffffff81000000), "casting": casting(0xffffffff81000000, 12345, 678)} {
		var b bytes.Buffer
		if err := prog.Marshal(&b, binary.LittleEndian); err != nil || b.Len()%asm.InstructionSize != 0 {
			t.Errorf("%s: %d bytes: %v", name, b.Len(), err)
		}
		// bpf_insn of the call: BPF_JMP|BPF_CALL, src BPF_PSEUDO_KFUNC_CALL, off 0, imm 12345.
		if call := []byte{0x85, 0x20, 0, 0, 0x39, 0x30, 0, 0}; name == "casting" && !bytes.Equal(b.Bytes()[24:32], call) {
			t.Errorf("casting calls % x, want % x", b.Bytes()[24:32], call)
		}
	}
	if got := helperName(asm.FnProbeReadKernelStr); got != "bpf_probe_read_kernel_str" {
		t.Errorf("helper is named %s", got)
	}
}

// TestScriptsAreSafe replays every script on the model: those that are not
// said to change what is locked must not.
func TestScriptsAreSafe(t *testing.T) {
	for _, kind := range []lockdown.Interface{lockdown.Upstream, lockdown.Bitmap} {
		for _, text := range []string{"none", "integrity@boot", "confidentiality@runtime", "dev_mem,kcore@runtime", "integrity,kcore@boot"} {
			setting, err := lockdown.ParseSetting(text)
			if err != nil {
				t.Fatal(err)
			}
			if setting.CheckInterface(kind) != nil {
				continue
			}
			env := Env{Setting: setting, Interface: kind}
			for name, script := range map[string]func(Env) []lockdown.Op{"show": showScript, "junk": junkScript, "lower": lowerScript} {
				model := lockdown.NewModel(kind, setting)
				for _, s := range script(env) {
					s = model.Answer(s)
					if s.Call == "write" && s.Err == "" {
						t.Errorf("%s on %s under %s changes something: %s", name, kind, text, s)
					}
				}
			}
			model := lockdown.NewModel(kind, setting)
			for _, s := range raiseScript(env) {
				model.Answer(s)
			}
			if got := model.Answer(lockdown.Op{Call: "read", File: lockdown.LevelFile}).Data; !strings.Contains(got, "[confidentiality]") {
				t.Errorf("raise on %s under %s ends at %q", kind, text, got)
			}
		}
	}
}
