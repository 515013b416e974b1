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
	store := vm.VariableStore(vm.Variable{
		Name: scenarios.EFIVariable, Data: scenarios.EFIVariableSSDT(),
		Vendor: [16]byte([]byte("ldlab's variable")),
	})
	dir := s.options.Cache
	if dir == "" {
		var err error
		if dir, err = cache.DefaultDir(); err != nil {
			return "", fmt.Errorf("make EFI variables: %w", err)
		}
	}
	c, err := cache.Open(dir, func(line string) { s.note("%s", line) })
	if err != nil {
		return "", fmt.Errorf("make EFI variables: %w", err)
	}
	sum := sha256.Sum256(store)
	lease, _, err := c.Get(ctx, cache.Recipe{
		ID:   cache.ID{Kind: cache.Variables, Name: fmt.Sprintf("variables-%x.fd", sum[:8])},
		Make: func(_ context.Context, path string) error { return os.WriteFile(path, store, 0o644) },
	})
	if err != nil {
		return "", fmt.Errorf("make EFI variables: %w", err)
	}
	lease.Hold()
	return lease.Path, nil
}
