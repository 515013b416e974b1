package kernels

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// postedConfig is what the posted series' suite needs; the series had no
// .kunitconfig.
var postedConfig = []string{
	"CONFIG_KUNIT=y", "CONFIG_SECURITY=y", "CONFIG_SECURITYFS=y", "CONFIG_SECURITY_LOCKDOWN_LSM=y",
	"CONFIG_SECURITY_LOCKDOWN_LSM_TEST=y", "CONFIG_SECURITY_LOCKDOWN_LSM_EARLY=y", // the last one is the early one
}

// postedCases are the cases of the posted series' suite.
var postedCases = []string{
	"lockdown_test_depth_locking", "lockdown_test_individual_level",
	"lockdown_test_invalid_level", "lockdown_test_no_downgrade",
}

// TestPostedSuiteForReal runs the KUnit tests of the posted series in user-mode
// kernels: they pass once, in a kernel where nothing is locked, and with the
// series. What each failure shows was a point of the series' review, or is
// news.
func TestPostedSuiteForReal(t *testing.T) {
	if os.Getenv("LDLAB_KUNIT") == "" {
		t.Skip("LDLAB_KUNIT is not set; make nightly sets it")
	}
	u := newTree(t, "posted")
	u.configure(postedConfig)
	u.checkpatch("posted")
	if err := u.make("W=1e", "security/lockdown/lockdown.o"); err == nil || !strings.Contains(err.Error(), "no previous prototype for") {
		t.Errorf("make W=1 does not warn of lock_kernel_down: %v", err)
	}
	u.makeLinux()
	u.postedFails("once", u.run("kunit_shutdown=halt"))
	u.postedFails("in integrity", u.run("kunit_shutdown=halt", "lockdown=integrity"))
	u.postedFails("in confidentiality", u.run("kunit_shutdown=halt", "lockdown=confidentiality"), "lockdown_test_individual_level")
	// What the suite locks stays locked, and so nothing can start it again.
	u.sub("not twice", func() {
		console := u.again("lockdown test", "lockdown=")
		if n := strings.Count(console, "lockdown_test_no_downgrade"); n != 1 || strings.Contains(console, "not ok") {
			u.t.Errorf("it ran %d times:\n%s", n, console)
		}
		if !strings.Contains(console, "\nnone [integrity] [confidentiality]") {
			u.t.Errorf("the suite did not leave two levels:\n%s", console)
		}
	})

	// An early LSM is there whatever lsm= has; another one can be left out, and then
	// nothing enforces what the tests lock.
	u.configure(append(slices.Clone(postedConfig[:len(postedConfig)-1]), "# CONFIG_SECURITY_LOCKDOWN_LSM_EARLY is not set"))
	u.makeLinux()
	u.postedFails("without the hook", u.run("kunit_shutdown=halt", "lsm=yama"),
		"lockdown_test_depth_locking", "lockdown_test_individual_level", "lockdown_test_no_downgrade")

	// The same tests on mainline's lockdown. The patch that adds them does not fit on it,
	// because an earlier one of the series changes the lines around.
	tests := newTree(t)
	for _, f := range []string{"lockdown_test.c", "lockdown_test.h", "Kconfig", "Makefile"} {
		tests.write("security/lockdown/"+f, u.read("security/lockdown/"+f))
	}
	hidden := "static int lock_kernel_down("
	mainline := tests.read(lockdownSource)
	if strings.Count(mainline, hidden) != 1 {
		t.Fatalf("%s has no %s", lockdownSource, hidden)
	}
	tests.write(lockdownSource, strings.Replace(mainline, hidden, strings.TrimPrefix(hidden, "static "), 1))
	tests.configure(postedConfig)
	tests.makeLinux()
	tests.postedFails("on mainline's lockdown", tests.run("kunit_shutdown=halt"), postedCases...)
}

// makeLinux builds the kernel, or ends the test.
func (u *uml) makeLinux() {
	u.t.Helper()
	if err := u.make("linux"); err != nil {
		u.t.Fatal(err)
	}
}

// postedFails expects all cases to have run, and these to have failed.
func (u *uml) postedFails(name, console string, want ...string) {
	u.sub(name, func() {
		if !strings.Contains(console, "lockdown_test_no_downgrade") {
			u.t.Fatalf("the suite did not run:\n%s", console)
		}
		if got := names(failedCase, console); !slices.Equal(got, want) {
			u.t.Errorf("failed: %s, want %s\n%s", got, want, console)
		}
	})
}
