package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// variables is the file with the EFI variables of machines with firmware, in the
// cache for as long as this process runs.
func (s *Stage) variables(ctx context.Context) (string, error) {
	path, err := s.keep(ctx, cache.Variables, "variables-%x.fd", vm.VariableStore(vm.Variable{
		Name: scenarios.EFIVariable, Data: scenarios.EFIVariableSSDT(),
		Vendor: [16]byte([]byte("ldlab's variable")),
	}))
	if err != nil {
		return "", fmt.Errorf("make EFI variables: %w", err)
	}
	return path, nil
}

// tables is the file with the ACPI tables that are not the firmware's.
func (s *Stage) tables(ctx context.Context) (string, error) {
	path, err := s.keep(ctx, cache.Tables, "tables-%x.bin", scenarios.RootTables())
	if err != nil {
		return "", fmt.Errorf("make ACPI tables: %w", err)
	}
	return path, nil
}

// keep is a file with the content, in the cache for as long as this process runs.
// The name has a place for a digest.
func (s *Stage) keep(ctx context.Context, kind cache.Kind, name string, content []byte) (string, error) {
	c, err := cache.Open(s.options.Cache, func(line string) { s.note("%s", line) })
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	lease, _, err := c.Get(ctx, cache.Recipe{
		ID:   cache.ID{Kind: kind, Name: fmt.Sprintf(name, sum[:8])},
		Make: func(_ context.Context, path string) error { return os.WriteFile(path, content, 0o644) },
	})
	if err != nil {
		return "", err
	}
	lease.Hold()
	return lease.Path, nil
}
