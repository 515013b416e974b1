package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// asMain is an environment variable that makes the test binary behave as ldlab,
// for tests that send signals to it.
const asMain = "LDLAB_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"ldlab": main})
}

// TestScripts runs the real binary; no script boots a guest.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("LDLAB_CACHE", e.WorkDir+"/cache")
			e.Setenv("EXAMPLE", mustGetwd(t)+"/testdata/example")
			e.Setenv("REPO", filepath.Join(mustGetwd(t), "../.."))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "root" {
				return false, fmt.Errorf("unknown condition %s", cond)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "lease": lease, "unused": unused},
	})
}

func mustGetwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
