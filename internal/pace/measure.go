package pace

import (
	"sync/atomic"
	"time"
)

const (
	// rounds is the fixed work of a measurement. It takes nominalWork, which is
	// longer than a period of the kernel's CPU quotas (100 ms by default): a
	// control group that may use 30 % of a processor is stopped at least twice
	// while it works. Busy neighbours take turns with it for as long.
	rounds      = 48
	nominalWork = 120 * time.Millisecond

	// table is the memory that the work goes through: more than fits into the
	// second-level cache, as an emulator's tables do not either.
	table = 4 << 20 / 8
)

// sink keeps the compiler from dropping the work.
var sink atomic.Uint64

// Measure does a fixed amount of work and compares the time that it took by the
// clock with the time on an idle host of factor 1. It stops when the ceiling is
// certain.
func Measure() *Pace {
	words := make([]uint64, table)
	work(words) // maps the memory: the kernel's time for that is not measured
	return measure(time.Now, func() { work(words) })
}

func measure(now func() time.Time, round func()) *Pace {
	begin := now()
	for range rounds {
		round()
		if now().Sub(begin) > time.Duration(Ceiling*float64(nominalWork)) {
			break
		}
	}
	return New(float64(now().Sub(begin)) / float64(nominalWork))
}

// work is one round: arithmetic, and reads and writes all over the table.
func work(words []uint64) {
	x := uint64(88172645463325252)
	for range len(words) {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		words[x%table] += x
	}
	sink.Add(x)
}
