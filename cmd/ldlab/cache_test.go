package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ldlab/ldlab/internal/cache"
)

// lease holds a lease on an entry until the script ends: lease KIND NAME
func lease(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lease KIND NAME")
	}
	c, err := cache.Open(ts.Getenv("LDLAB_CACHE"), nil)
	ts.Check(err)
	l, err := c.Use(context.Background(), cache.ID{Kind: cache.Kind(args[0]), Name: args[1]})
	ts.Check(err)
	ts.Defer(l.Close)
}

// unused sets the last use of files into the past: unused DURATION FILE...
func unused(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: unused DURATION FILE...")
	}
	age, err := time.ParseDuration(args[0])
	ts.Check(err)
	when := time.Now().Add(-age)
	for _, name := range args[1:] {
		ts.Check(os.Chtimes(filepath.Join(ts.Getenv("LDLAB_CACHE"), name), when, when))
	}
}

func TestParseAge(t *testing.T) {
	for text, want := range map[string]time.Duration{"36h": 36 * time.Hour, "7d": 168 * time.Hour, "90m": 90 * time.Minute} {
		if got, err := parseAge(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "0d", "-1d", "1.5d", "99999999d", "0s", "-1h", "7", "week"} {
		if got, err := parseAge(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
