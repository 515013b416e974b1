package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
)

// MaxShards bounds the number of shards of a plan.
const MaxShards = 10000

// A Shard is a part of a plan: the K-th of N. K counts from 1.
type Shard struct{ K, N int }

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.K, s.N) }

// check reports a shard that cannot be. Errors are a *plan.UsageError.
func (s Shard) check(name string) error {
	switch {
	case s.N < 1 || s.N > MaxShards:
		return usagef("%s: a plan has 1 to %d shards, not %d", name, MaxShards, s.N)
	case s.K < 1 || s.K > s.N:
		return usagef("%s: shard %d of %d does not exist", name, s.K, s.N)
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &plan.UsageError{Text: fmt.Sprintf(format, args...)}
}

// ParseShard reads the text form K/N. Errors are a *plan.UsageError.
func ParseShard(text string) (Shard, error) {
	k, n, ok := strings.Cut(text, "/")
	if !ok {
		return Shard{}, usagef("--shard is K/N, such as 2/3, not %q", text)
	}
	var s Shard
	var err error
	if s.K, err = number("--shard", k); err == nil {
		s.N, err = number("--shard", n)
	}
	if err != nil {
		return Shard{}, err
	}
	return s, s.check("--shard " + strconv.Quote(text))
}

// number reads a whole number that is not negative. name is where it comes from.
func number(name, text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, usagef("%s: %q is no whole number", name, text)
	}
	return int(n), nil
}

// Assign distributes the guests of the plan over n shards, and returns for each guest,
// in the plan's order, the index of its shard, from 0. The longest guest comes first. It
// goes to a shard that has guests of its kernel, as long as that is not above the
// average, and otherwise where the least time is spent so far; a shard that has no guest
// of the kernel yet spends the kernel's seconds, too. The result depends on the file and
// n alone, so every machine comes to the same one.
func (f *File) Assign(n int) []int {
	kernels := map[[2]string]int64{}
	total := int64(0)
	for _, k := range f.Kernels {
		kernels[[2]string{k.Kernel, k.Arch}] = millis(k.Seconds)
		total += millis(k.Seconds)
	}
	order := make([]int, len(f.Guests))
	for i, g := range f.Guests {
		order[i] = i
		total += millis(g.Seconds)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(f.Guests[b].Seconds, f.Guests[a].Seconds) })
	spent := make([]int64, n) // ms
	has := make([]map[[2]string]bool, n)
	where := make([]int, len(f.Guests))
	for _, i := range order {
		kernel, s := [2]string{f.Guests[i].Guest.Kernel, f.Guests[i].Guest.Arch}, millis(f.Guests[i].Seconds)
		best, least, together := 0, int64(-1), false
		for k := range n {
			after := spent[k] + s
			fits := has[k][kernel] && after <= total/int64(n)
			if !has[k][kernel] {
				after += kernels[kernel]
			}
			if least < 0 || fits && !together || fits == together && after < least {
				best, least, together = k, after, fits
			}
		}
		if has[best] == nil {
			has[best] = map[[2]string]bool{}
		}
		has[best][kernel] = true
		spent[best], where[i] = least, best
	}
	return where
}

// millis avoids sums of fractions, which may differ by machine.
func millis(seconds float64) int64 { return int64(seconds*1000 + 0.5) }

// guests lists the guests of a shard, in the plan's order.
func (f *File) guests(s Shard) (list []Guest) {
	for i, where := range f.Assign(s.N) {
		if where == s.K-1 {
			list = append(list, f.Guests[i])
		}
	}
	return list
}

// Part is the shard's part of p, which is the plan of the file.
func (f *File) Part(p *plan.Plan, s Shard) *plan.Plan {
	has := map[string]bool{}
	for _, g := range f.guests(s) {
		has[g.ID] = true
	}
	return p.Part(func(g matrix.Guest) bool { return has[g.ID()] })
}

// A load is what a shard has to do, in seconds. longest is its longest guest if that runs
// alone: one that does not wait is then faster than Costs have it, because a machine
// runs two for each processor.
type load struct{ guests, longest, setup float64 }

// seconds estimates how long a shard takes that runs jobs guests at once.
func (l load) seconds(jobs int) float64 {
	return l.setup + max(l.longest, l.guests/float64(max(jobs, 1)))
}

// loads are those of all of n shards.
func (f *File) loads(n int) []load {
	list, boots, alone := make([]load, n), make([]map[[2]string]bool, n), map[[2]string]float64{}
	for _, k := range f.Kernels {
		alone[[2]string{k.Kernel, k.Arch}] = 0.5
		if k.Waits {
			alone[[2]string{k.Kernel, k.Arch}] = 1
		}
	}
	for i, s := range f.Assign(n) {
		g, l := f.Guests[i], &list[s]
		l.guests += g.Seconds
		l.longest = max(l.longest, g.Seconds*alone[[2]string{g.Guest.Kernel, g.Guest.Arch}])
		if boots[s] == nil {
			boots[s] = map[[2]string]bool{}
		}
		boots[s][[2]string{g.Guest.Kernel, g.Guest.Arch}] = true
	}
	for s := range list {
		for _, k := range f.Kernels {
			if boots[s][[2]string{k.Kernel, k.Arch}] {
				list[s].setup += k.Seconds / Slots // templates of several kernels boot at once
			}
		}
	}
	return list
}

// Seconds estimates how long the shard takes if it runs jobs guests at once.
func (f *File) Seconds(s Shard, jobs int) float64 { return f.loads(s.N)[s.K-1].seconds(jobs) }
