package scenarios

import (
	"iter"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/acpi"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/race"
	"github.com/ldlab/ldlab/scenarios/internal/securityfs"
)

// What a probe is given and what it reports. The machinery of the tables
// imports these types, too, and therefore holds them.
type (
	Env     = observe.Env
	Report  = observe.Report
	Outcome = observe.Outcome
	Effect  = observe.Effect
	Variant = observe.Variant
)

// The effects: observe has what each means.
const (
	Happened = observe.Happened
	Nothing  = observe.Nothing
)

// The outcomes: observe has what each means.
const (
	Allowed     = observe.Allowed
	Denied      = observe.Denied
	Unavailable = observe.Unavailable
	Failed      = observe.Failed
	Answered    = observe.Answered
)

// RunSequence performs the operations, which lockdown.CheckSequence must
// accept, and yields each with the kernel's answer.
func RunSequence(ops []lockdown.Op) iter.Seq[lockdown.Op] { return securityfs.Run(ops) }

// RunRace runs a race, which lockdown.CheckRace must accept.
func RunRace(r lockdown.Race) lockdown.RaceReport { return race.Run(r) }

// InitrdTable is the path in the initrd of the ACPI table that SSDT returns.
const InitrdTable = acpi.InitrdPath

// EFIVariable is the name of the EFI variable with the table that EFIVariableSSDT
// returns.
const EFIVariable = acpi.Variable

// EFIVariableSSDT is the ACPI table in a variable of the firmware.
func EFIVariableSSDT() []byte { return acpi.VariableSSDT() }

// SSDT is the ACPI table that the initrd carries.
func SSDT() []byte { return acpi.InitrdSSDT() }

// RootTables are the ACPI tables that RSDPArg names, in memory from RSDPAt on.
func RootTables() []byte { return acpi.RootTables() }

// RSDPAt is a physical address.
const RSDPAt = acpi.RSDPAt

// RSDPArg is the kernel argument acpi_rsdp= with RSDPAt.
func RSDPArg() string { return acpi.RSDPArg }
