package matrix

import (
	"strings"
	"testing"
)

func TestOtherRows(t *testing.T) {
	probes := []string{"devmem/open", "kexec/load"}
	h := Header{Lab: "v1", Probes: probes, Rows: RowsDigest(probes)}
	if other := h.OtherRows(); other != "" {
		t.Errorf("the same rows are other rows: %s", other)
	}
	h.Rows = strings.Repeat("0", 64)
	if other := h.OtherRows(); !strings.Contains(other, "sha256 000000000000 (lab v1)") {
		t.Errorf("other rows: %q", other)
	}
	if h.Rows = ""; h.OtherRows() == "" {
		t.Error("a file without a digest has the rows of this binary")
	}
}
