package scenarios

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
)

// differences are what an asker differs in from the act's own process.
func (a asker) differences() (list []string) {
	for name, differs := range map[string]bool{
		"uid": a.uid != 0, "capabilities": a.few, "personality": a.personality.value != 0, "no_new_privs": a.noNewPrivs, "namespaces": a.elsewhere,
		"real uid": a.realUID != a.uid && a.realUID != 0, "group": a.gid != 0, "thread": a.thread, "policy": a.batch, "root": a.root, "traced": a.traced,
	} {
		if differs {
			list = append(list, name)
		}
	}
	return list
}

// TestAskers: each two things differ together in an asker, and each thing is as in
// the act's own process in another one, so that a leak is not only found by who
// differs in everything. The personality is of either kind in both kinds of
// namespaces.
func TestAskers(t *testing.T) {
	things := []string{"uid", "capabilities", "personality", "no_new_privs", "namespaces", "real uid", "group", "thread", "policy", "root", "traced"}
	for i, one := range things {
		for _, other := range things[:i] {
			if !slices.ContainsFunc(askers, func(a asker) bool {
				return slices.Contains(a.differences(), one) && slices.Contains(a.differences(), other)
			}) {
				t.Errorf("no asker differs in %s and %s", one, other)
			}
		}
		if one != "personality" && !slices.ContainsFunc(askers, func(a asker) bool { return !slices.Contains(a.differences(), one) }) {
			t.Errorf("each asker differs in %s", one)
		}
	}
	kinds := map[bool]map[persona]bool{false: {}, true: {}}
	taken := map[bool]bool{} // no_new_privs, which stays
	for _, a := range askers {
		kinds[a.elsewhere][a.personality] = true
		if (a.traced || a.root) && !a.elsewhere {
			t.Errorf("%+v is possible only in namespaces of its own", a)
		}
		if taken[a.elsewhere] && !a.noNewPrivs {
			t.Errorf("%+v comes after an asker with no_new_privs in the same process", a)
		}
		taken[a.elsewhere] = taken[a.elsewhere] || a.noNewPrivs
	}
	if len(kinds[false]) != 2 || len(kinds[true]) != 2 {
		t.Errorf("personalities %v", kinds)
	}
}

// TestAskersHaveNames: no two variants of a probe have one name, and it names
// everything that differs.
func TestAskersHaveNames(t *testing.T) {
	for _, row := range Rows() {
		if row.Expect != Checked || row.Do == nil {
			continue
		}
		names := map[string]bool{VariantAgain: true}
		for _, a := range askers {
			name := a.name(row, 2)
			if names[name] || strings.Contains(name, ", ,") || strings.Contains(name, "with  ") || !strings.HasSuffix(name, ", on processor 1") {
				t.Errorf("%s: %q", row.ID, name)
			}
			if traced := strings.Contains(name, "traced by ptrace"); traced != (a.traced && !row.Apart) {
				t.Errorf("%s, apart %v: %q", row.ID, row.Apart, name)
			}
			names[name] = true
			for _, c := range a.caps(row) {
				if capNames[c] == "" {
					t.Errorf("%s: capability %d has no name", row.ID, c)
				}
			}
		}
	}
}

// TestApart: the rows whose calls another thread or process makes, which the tracer
// does not trace.
func TestApart(t *testing.T) {
	for _, row := range Rows() {
		scenario, _, _ := strings.Cut(row.ID, "/")
		want := scenario == "uring" || scenario == "compat" && !compat.Native || row.ID == "secrets/wireguard" || row.ID == "secrets/ktls" || row.ID == "hibernation/reboot"
		if row.Apart != want {
			t.Errorf("%s: apart is %v", row.ID, row.Apart)
		}
	}
}

// TestNeeded: each row of the table of needed capabilities is one that a probe
// gets.
func TestNeeded(t *testing.T) {
	for i, n := range needed {
		if !slices.ContainsFunc(Rows(), func(r Row) bool {
			return r.Expect == Checked && slices.Equal(r.needs(), n.caps) && (strings.HasPrefix(r.ID, strings.TrimSuffix(n.of, "*")) || n.of == string(r.Reason))
		}) {
			t.Errorf("row %d, %s, is no probe's", i, n.of)
		}
	}
	for id, want := range map[string][]int{"devmem/open": {unix.CAP_SYS_RAWIO}, "devmem/read": {unix.CAP_SYS_RAWIO, unix.CAP_SYS_ADMIN}, "tracefs/trace": nil} {
		if row, _ := Find(id); !slices.Equal(row.needs(), want) {
			t.Errorf("%s needs %v, want %v", id, row.needs(), want)
		}
	}
}
