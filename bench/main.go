// Command bench measures the lab beside its peers, in one run on one machine,
// and prints ratios. If a target is missed, the command prints that and
// succeeds. "make bench" runs it; -help has the rest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// Files of the results.
const (
	jsonFile = "bench.json"
	svgFile  = "bench.svg"
)

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var o options
	var only []string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rounds, "rounds", 5, "samples of each measure, and three times as many of boots and forks to the first answer, where -limit allows")
	f.DurationVar(&o.limit, "limit", 9*time.Minute, "take more than one sample of whole runs only within this time")
	f.Func("only", "measure only what `begins` so, such as x86_64/fork,peers/; nothing is written", func(text string) error {
		only = strings.Split(text, ",")
		return nil
	})
	f.BoolVar(&o.cold, "cold", false, "also build a kernel from nothing: minutes; without it, the last time that is in the results stands")
	f.StringVar(&o.peers, "peers", os.Getenv("LDLAB_PEERS"), "`directory` in which Debian packages of peers are unpacked (default $LDLAB_PEERS, else bench/peers in the cache)")
	out := f.String("out", "docs", "`directory` of "+jsonFile+" and "+svgFile)
	draw := f.Bool("draw", false, "measure nothing: table and plot of the results that are there")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.rounds < 1 || f.NArg() > 0 {
		return fmt.Errorf("usage: at least one round, and no arguments")
	}
	results, plot := filepath.Join(*out, jsonFile), filepath.Join(*out, svgFile)
	earlier, err := read(results)
	if err != nil && (*draw || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if *draw {
		earlier.Rows = judge(comparisons(), earlier)
		return show(earlier, plot, stdout)
	}
	r, err := measure(ctx, o, pick(subjects(), only), stderr)
	if err != nil {
		return err
	}
	r.carry(earlier, coldID)
	r.Rows = judge(comparisons(), r)
	if len(only) > 0 {
		return writeTable(stdout, r)
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := r.write(results); err != nil {
		return err
	}
	return show(r, plot, stdout)
}

// measure opens a benchmark for the subjects and runs it.
func measure(ctx context.Context, o options, list []subject, log io.Writer) (r *Results, err error) {
	b, err := newBench(o, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	return b.run(ctx, list)
}

// show prints the table and writes the plot.
func show(r *Results, plot string, stdout io.Writer) error {
	image, err := svg(r)
	if err == nil {
		err = replace(plot, image)
	}
	return errors.Join(writeTable(stdout, r), err)
}
