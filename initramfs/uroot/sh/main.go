// Sh is the guest's /bin/sh. u-root's own shell, gosh, has no option but -c and
// no parameters; this shell accepts those of scripts and interactive use.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// gosh edits lines, as interactive use needs.
const gosh = "/bbin/gosh"

func main() {
	os.Exit(sh(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// Exit statuses of POSIX's sh.
const (
	statusUsage    = 2
	statusNotFound = 127
)

// sh runs what the arguments name and returns the exit status.
func sh(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	inv, err := parseArgs(args)
	if err != nil {
		fmt.Fprintf(stderr, "sh: %v\n", err)
		return statusUsage
	}
	var script io.Reader = stdin
	switch {
	case inv.command != nil:
		script = strings.NewReader(*inv.command)
	case inv.file != "":
		f, err := os.Open(inv.file)
		if err != nil {
			fmt.Fprintf(stderr, "sh: %v\n", err)
			return statusNotFound
		}
		defer f.Close()
		script = f
	case len(inv.options) == 0 && term.IsTerminal(int(stdin.Fd())):
		err := syscall.Exec(gosh, []string{"gosh"}, os.Environ())
		fmt.Fprintf(stderr, "sh: start %s: %v\n", gosh, err)
		return statusNotFound
	}
	return run(script, inv, stdin, stdout, stderr)
}

// run runs a script statement by statement, as it is read.
func run(script io.Reader, inv invocation, stdin io.Reader, stdout, stderr io.Writer) int {
	params := append(append(inv.options, "--"), inv.params...)
	runner, err := interp.New(interp.StdIO(stdin, stdout, stderr), interp.Params(params...), interp.Env(expand.ListEnviron(os.Environ()...)))
	if err != nil {
		fmt.Fprintf(stderr, "sh: %v\n", err)
		return statusUsage
	}
	file, err := syntax.NewParser().Parse(script, inv.name)
	if err != nil {
		fmt.Fprintf(stderr, "sh: %v\n", err)
		return statusUsage
	}
	err = runner.Run(context.Background(), file)
	if err == nil {
		return 0
	}
	var status interp.ExitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	fmt.Fprintf(stderr, "sh: %v\n", err)
	return 1
}

// An invocation is a command line of sh.
type invocation struct {
	command *string  // with -c
	file    string   // script; empty: standard input
	name    string   // $0
	params  []string // $1 and up
	options []string // for the interpreter: -e, -o pipefail, ...
}

// parseArgs parses sh [-+abCefhimnuvxl] [-+o OPTION] [-c COMMAND [NAME]] [-s]
// [FILE] [ARG...]. It accepts and ignores options without a meaning for a
// script interpreter.
func parseArgs(args []string) (invocation, error) {
	inv := invocation{name: "sh"}
	if len(args) > 0 {
		inv.name = args[0]
		args = args[1:]
	}
	var command, input bool
	for ; len(args) > 0; args = args[1:] {
		word := args[0]
		if word == "--" || word == "-" {
			args = args[1:]
			break
		}
		if strings.HasPrefix(word, "--") { // of bash
			if word != "--login" && word != "--posix" && word != "--norc" && word != "--noprofile" {
				return inv, fmt.Errorf("unknown option %s", word)
			}
			continue
		}
		if word == "" || word[0] != '-' && word[0] != '+' {
			break
		}
		for _, letter := range word[1:] {
			switch letter {
			case 'c':
				command = true
			case 's':
				input = true
			case 'l', 'i', 'm', 'h', 'b', 'v', 'C': // no profile, no jobs, no history
			case 'o':
				if len(args) < 2 {
					return inv, errors.New("option -o: no name")
				}
				inv.options = append(inv.options, word[:1]+"o", args[1])
				args = args[1:]
			case 'a', 'e', 'f', 'n', 'u', 'x':
				inv.options = append(inv.options, word[:1]+string(letter))
			default:
				return inv, fmt.Errorf("unknown option %s%c", word[:1], letter)
			}
		}
	}
	switch {
	case command && len(args) == 0:
		return inv, errors.New("option -c: no command")
	case command:
		inv.command = &args[0]
		if args = args[1:]; len(args) > 0 {
			inv.name, args = args[0], args[1:]
		}
	case !input && len(args) > 0:
		inv.file, inv.name, args = args[0], args[0], args[1:]
	}
	inv.params = args
	return inv, nil
}
