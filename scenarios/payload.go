package scenarios

import (
	"github.com/ldlab/ldlab/scenarios/internal/module"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Files that the guest has for probes if the kernel's build made them. The builder
// knows each by the last part of its name.
const (
	KexecUnsigned   = "/ldlab/kexec-unsigned"   // an image for kexec_file_load
	KexecSigned     = "/ldlab/kexec-signed"     // the same, signed with the lab's key
	ModuleUnsigned  = "/ldlab/module-unsigned"  // a module that does nothing: ldlab_nop
	ModuleSigned    = "/ldlab/module-signed"    // the same, signed with the lab's key
	ModuleWrongKey  = "/ldlab/module-wrongkey"  // the same, signed with a key that the kernel does not know
	MmiotraceSigned = "/ldlab/mmiotrace-signed" // testmmiotrace, signed with the lab's key; x86_64
)

// For a distribution's kernel, the modules are one that the distribution has signed:
// without its signature, as it is, and with a stranger's.

// StrangersSignature is what follows a module that is signed by somebody whose key no
// kernel has.
func StrangersSignature() []byte { return module.Strangers() }

// Payloads lists them.
func Payloads() []string {
	return []string{KexecUnsigned, KexecSigned, ModuleUnsigned, ModuleSigned, ModuleWrongKey, MmiotraceSigned}
}

// MissingPayloads lists what probes report if the guest lacks a payload.
func MissingPayloads() []string {
	return []string{observe.NoImage, observe.NoTrustedImage, observe.NoModule}
}
