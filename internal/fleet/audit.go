package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
)

// audit finds what a report of the merge must not hide: guests without a result, or
// whose run failed in the lab, and kernels that differ between shards.
func (m *merger) audit() {
	m.auditKernels()
	m.auditClocks()
	m.auditAgain()
	n := 0 // shards, if all agree
	for _, s := range m.shards {
		if n != 0 && n != s.shard.N {
			n = -1
			break
		}
		n = s.shard.N
	}
	h := m.header()
	missing, failed := map[int][]string{}, map[int][]string{}
	where := make([]int, len(m.file.Guests))
	if n > 0 {
		where = m.file.Assign(n)
	}
	for i, g := range m.file.Guests {
		f := m.found[g.ID]
		switch {
		case f == nil && len(h.Kernel(g.Guest.Kernel, g.Guest.Arch).Reasons.Beyond(g.Guest.Setting)) > 0:
			// the kernel cannot lock what it does not have, so the guest never runs
		case f == nil:
			missing[where[i]] = append(missing[where[i]], g.ID)
		case f.end.Failed():
			failed[where[i]] = append(failed[where[i]], g.ID)
		}
	}
	if n <= 0 {
		m.incomplete("the shards are of different numbers, and together they lack", missing[0], "run the plan with one number of shards")
		m.incomplete("the lab failed in", failed[0], "run these shards again with --resume")
		return
	}
	for k := range n {
		s := Shard{k + 1, n}
		m.incomplete(fmt.Sprintf("shard %s%s lacks", s, m.dirOf(s)), missing[k], m.howTo(s))
		m.incomplete(fmt.Sprintf("in shard %s%s the lab failed in", s, m.dirOf(s)), failed[k], m.howTo(s))
	}
}

func (m *merger) incomplete(what string, guests []string, how string) {
	if len(guests) > 0 {
		m.problem("%s %d of %d guests, such as %s: %s", what, len(guests), len(m.file.Guests), guests[0], how)
	}
}

// at is the directory of a shard; nil if none was given.
func (m *merger) at(s Shard) *source {
	i := slices.IndexFunc(m.shards, func(o *source) bool { return o.shard == s })
	if i < 0 {
		return nil
	}
	return m.shards[i]
}

func (m *merger) dirOf(s Shard) string {
	if at := m.at(s); at != nil {
		return " (" + at.dir + ")"
	}
	return " (no directory)"
}

// howTo is what the user does about a shard that is not complete.
func (m *merger) howTo(s Shard) string {
	if at := m.at(s); at != nil {
		return fmt.Sprintf("continue it with the same flags and --shard %s --resume --out %s", s, at.dir)
	}
	return fmt.Sprintf("run it with --shard %s, and give its directory, too", s)
}

// auditKernels leaves out the results of a kernel that differs from that of the shard
// with the lowest number: a report has one kernel of a name.
func (m *merger) auditKernels() {
	h := m.header()
	foreign, order := map[[2]string]*guests{}, [][2]string(nil)
	for _, g := range m.file.Guests {
		f := m.found[g.ID]
		if f == nil {
			continue
		}
		if k := h.Kernel(g.Guest.Kernel, g.Guest.Arch); !k.Origin.Same(f.origin) {
			key := [2]string{f.in.dir, k.Name + " " + k.Arch}
			if foreign[key] == nil {
				foreign[key] = &guests{}
				order = append(order, key)
			}
			foreign[key].add(g.ID)
			delete(m.found, g.ID)
		}
	}
	for _, key := range order {
		m.problem("%s: %s booted another image of kernel %s, or another guest program, than other shards: left out; use the same ldlab and cache, or a bundle", key[0], foreign[key], key[1])
	}
	for _, k := range m.file.Kernels {
		var hosts []string
		for _, g := range m.file.Guests {
			if f := m.found[g.ID]; f != nil && g.Guest.Kernel == k.Kernel && g.Guest.Arch == k.Arch {
				host := strings.Join([]string{f.host.QEMU, "CPU " + f.host.CPU, f.host.Accel}, ", ")
				if !slices.Contains(hosts, host) {
					hosts = append(hosts, host)
				}
			}
		}
		if len(hosts) > 1 {
			m.problem("kernel %s %s ran on machines that differ (%s): a guest without a control on the like of its machine is unproven", k.Kernel, k.Arch, strings.Join(hosts, "; "))
		}
	}
}

// auditClocks finds machines whose clock is ahead of this one's, and headers without a time.
func (m *merger) auditClocks() {
	for _, s := range m.shards {
		if !s.usable {
			continue
		}
		odd := results.OddStart(s.header, time.Now())
		if s.header.Started == "" {
			odd = "its header does not have when it began"
		}
		if odd != "" {
			m.problem("%s: shard %s: %s", s.dir, s.shard, odd)
		}
	}
}

// header describes the merged results: the plan's guests, and the kernels of the
// shards, which auditKernels compares.
func (m *merger) header() matrix.Header {
	h := matrix.Header{Format: matrix.Format, Digest: m.file.Plan, Rows: m.file.Rows, Probes: m.file.Probes}
	var labs []string
	for _, s := range m.shards {
		if !s.usable {
			continue
		}
		labs = append(labs, strings.Split(s.header.Lab, ", ")...)
		if h.Started == "" || s.header.Started < h.Started {
			h.Started = s.header.Started
		}
	}
	slices.Sort(labs)
	h.Lab = strings.Join(slices.Compact(labs), ", ")
	for _, g := range m.file.Guests {
		h.Plan = append(h.Plan, g.Guest)
	}
	for _, want := range m.file.Kernels {
		for _, s := range m.shards {
			i := slices.IndexFunc(s.header.Kernels, func(k matrix.Kernel) bool { return k.Name == want.Kernel && k.Arch == want.Arch })
			if s.usable && i >= 0 {
				h.Kernels = append(h.Kernels, s.header.Kernels[i])
				break
			}
		}
	}
	return h
}

// machines are those that ran the guests.
func (m *merger) machines() map[string]bool {
	list := map[string]bool{}
	for _, f := range m.found {
		qemu, _, _ := strings.Cut(f.host.QEMU, " (")
		list[fmt.Sprintf("%s; %s with %s, CPU %s", cmp.Or(f.host.Machine, "unknown machine"), qemu, f.host.Accel, f.host.CPU)] = true
	}
	return list
}
