package callsites

import (
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

const reasonHeader = `/* enum lockdown_reason { is here */
enum lockdown_reason {
	LOCKDOWN_NONE,
	LOCKDOWN_DEV_MEM, /* , a comment */
	LOCKDOWN_KILLSWITCH,
	LOCKDOWN_INTEGRITY_MAX,
	LOCKDOWN_KCORE,	// LOCKDOWN_OLD,
	LOCKDOWN_CONFIDENTIALITY_MAX,
};
extern const char *const lockdown_reasons[LOCKDOWN_CONFIDENTIALITY_MAX+1];
`

const reasonTexts = `const char *const lockdown_reasons[LOCKDOWN_CONFIDENTIALITY_MAX + 1] = {
	[LOCKDOWN_NONE] = "none",
	[LOCKDOWN_DEV_MEM] = "/dev/mem,kmem,port",
	[LOCKDOWN_INTEGRITY_MAX] = "integrity",
	[LOCKDOWN_KCORE] = "/proc/kcore "
			   "access",
	[LOCKDOWN_CONFIDENTIALITY_MAX] = "confidentiality",
};
`

func TestReasons(t *testing.T) {
	got, err := Reasons([][]byte{[]byte(reasonHeader), []byte(reasonTexts), nil})
	want := lockdown.KernelReasons{
		{Reason: "dev_mem", Level: lockdown.Integrity, Label: "/dev/mem,kmem,port"},
		{Reason: "killswitch", Level: lockdown.Integrity},
		{Reason: "kcore", Level: lockdown.Confidentiality, Label: "/proc/kcore access"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Reasons([][]byte{[]byte("int x;\n"), []byte(reasonTexts)}); got != nil || err != nil {
		t.Errorf("without the enum: %+v, %v", got, err)
	}
	for _, bad := range []string{
		strings.Replace(reasonHeader, "	LOCKDOWN_CONFIDENTIALITY_MAX,\n", "", 1),
		strings.Replace(reasonHeader, "LOCKDOWN_KCORE", "LOCKDOWN_KCORE = 7", 1),
		strings.Replace(reasonHeader, "	LOCKDOWN_KCORE", "#ifdef X\n	LOCKDOWN_KCORE", 1),
	} {
		if got, err := Reasons([][]byte{[]byte(bad)}); err == nil {
			t.Errorf("taken: %+v", got)
		}
	}
}
