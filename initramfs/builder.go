package initramfs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/u-root/gobusybox/src/pkg/golang"
	"github.com/u-root/mkuimage/uimage"
	"github.com/u-root/uio/llog"
)

// builderVersion must change when callBuilder writes other bytes for the same
// arguments.
const builderVersion = "2"

// builderName is argv[0] of the process in which u-root's builder runs.
const builderName = "ldlab-mkuimage"

// builderArgs are its arguments, as JSON in argv[1].
type builderArgs struct {
	Dir      string // module in which the packages are looked up
	Temp     string // directory for its temporary files, which exists
	Out      string // archive to write
	GOROOT   string
	GOARCH   string
	Packages []string
}

// u-root's builder is a library that takes no context, reads the environment and
// logs to standard error. So it runs in a process of its own, which is this
// program again: that can be ended, and has a clean environment.
func init() {
	if os.Args[0] == builderName && len(os.Args) == 2 {
		os.Exit(builderMain(os.Args[1]))
	}
}

// runBuilder runs u-root's builder in a process of its own.
func runBuilder(ctx context.Context, tc toolchain, a builderArgs) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	arg, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode arguments: %w", err)
	}
	_, err = runGo(ctx, goCommand{
		path: self, argv: []string{builderName, string(arg)}, dir: a.Dir,
		env: []string{"GOROOT=" + tc.root, "TMPDIR=" + a.Temp},
	})
	return err
}

// builderMain is the main function of that process. It returns the exit status.
func builderMain(arg string) int {
	var a builderArgs
	err := json.Unmarshal([]byte(arg), &a)
	if err == nil {
		err = callBuilder(a)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, strings.ReplaceAll(err.Error(), "\n", " "))
		return 1
	}
	return 0
}

func callBuilder(a builderArgs) error {
	return uimage.Create(llog.New(0, func(string, ...any) {}),
		uimage.WithReplaceEnv(golang.Default(golang.DisableCGO(), golang.WithGOOS("linux"), golang.WithGOARCH(a.GOARCH),
			golang.WithGOROOT(a.GOROOT), golang.WithWorkingDir(a.Dir), golang.WithMod(golang.ModReadonly))),
		uimage.WithTempDir(a.Temp),
		uimage.WithBaseArchive(uimage.DefaultRamfs()),
		uimage.WithBusyboxCommands(a.Packages...),
		uimage.WithBusyboxBuildOpts(&golang.BuildOpts{}),
		uimage.WithInit("init"),
		uimage.WithShell("sh"), // /bin/sh
		uimage.WithSkipLDD(),   // all static
		uimage.WithCPIOOutput(a.Out),
	)
}

// builderVersions are the versions of the builder's modules in this program. The
// archive's bytes depend on them as they do on the sources.
func builderVersions() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	var versions []string
	for _, m := range info.Deps {
		if strings.HasPrefix(m.Path, "github.com/u-root/") {
			versions = append(versions, m.Path+"@"+m.Version)
		}
	}
	return strings.Join(versions, " ")
}
