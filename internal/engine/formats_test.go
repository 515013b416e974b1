package engine

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/testutil/imagetest"
	"github.com/ldlab/ldlab/internal/testutil/packtest"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
)

// TestFormatsForReal: a kernel in each of its wrappers boots to the same verdicts, and
// the results have the digest of the file.
func TestFormatsForReal(t *testing.T) {
	p := forReal(t, plan.Selection{Kernels: []string{"bitmap"}})
	wrap := map[string]map[string]func([]byte) []byte{
		"arm64": {
			"zboot gzip": func(b []byte) []byte { return imagetest.Zboot(imagetest.ARM64, "gzip", packtest.Pack(t, "gzip", b)) },
			"Image.zst":  func(b []byte) []byte { return packtest.Pack(t, "zstd", b) },
			"UKI of zboot": func(b []byte) []byte {
				return imagetest.UKI(imagetest.ARM64, imagetest.Zboot(imagetest.ARM64, "zstd", packtest.Pack(t, "zstd", b)), "")
			},
		},
		"x86_64": {
			"vmlinux.gz": func(b []byte) []byte { return packtest.Pack(t, "gzip", b) },
			"UKI":        func(b []byte) []byte { return imagetest.UKI(imagetest.X86_64, b, "lockdown=confidentiality") },
		},
	}
	for _, b := range p.Builds {
		built, _, err := (&kernels.Builder{}).Lookup(t.Context(), kernels.Spec{Kernel: b.Kernel, Arch: b.Arch})
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(built.Image)
		if err != nil {
			t.Fatal(err)
		}
		for name, f := range wrap[b.Arch.Name] {
			t.Run(b.Arch.Name+" "+name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "image")
				given := f(data)
				if err := os.WriteFile(file, given, 0o644); err != nil {
					t.Fatal(err)
				}
				m := boot(t, mustPlan(t, plan.Selection{
					Image: file, Config: built.Config, Sites: built.Files["sites.json"],
					Probes: []string{"devmem/open"}, Settings: []string{"none", "integrity@boot"},
				}))
				row := m.Tables[0].Rows[0]
				if row.Cells[0].Verdict != matrix.Open || row.Cells[1].Verdict != matrix.Enforced {
					dump(t, m)
					t.Errorf("%s: %s, %s", row.Probe, row.Cells[0].Verdict, row.Cells[1].Verdict)
				}
				if sum := fmt.Sprintf("%x", sha256.Sum256(given)); m.Tables[0].Origin.ImageSHA256 != sum {
					t.Errorf("the digest in the results is %s, that of the file %s", m.Tables[0].Origin.ImageSHA256, sum)
				}
			})
		}
	}
}
