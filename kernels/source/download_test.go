package source

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/kernels/internal/progress"
)

// serve is a dialer to a server that sends each text and waits for a while
// before the next; "" is an endless wait.
func serve(texts ...string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			if _, err := http.ReadRequest(bufio.NewReader(server)); err != nil {
				return
			}
			for i, text := range texts {
				if i > 0 && text != "" {
					time.Sleep(stallTime / 2)
				}
				if text == "" {
					io.Copy(io.Discard, server) // until the client hangs up
					return
				}
				io.WriteString(server, text)
			}
		}()
		return client, nil
	}
}

const head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

// A server that stalls ends a download, before its answer and in the middle of
// the body; one that is only slow does not.
func TestStall(t *testing.T) {
	for name, c := range map[string]struct {
		texts []string
		want  string // in the error; empty: none
		after time.Duration
	}{
		"no answer":       {[]string{""}, "timeout awaiting response headers", replyTime},
		"no body":         {[]string{head, ""}, "no data for 1m0s", stallTime},
		"half a body":     {[]string{head, "01234", ""}, "no data for 1m0s", stallTime * 3 / 2},
		"a slow body":     {[]string{head, "01", "23", "45", "67", "89"}, "", stallTime * 5 / 2},
		"no such file":    {[]string{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"}, "the server answers 404 Not Found", 0},
		"a cut body":      {[]string{head, "01234"}, "unexpected EOF", stallTime / 2},
		"an endless head": {[]string{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 11<<20)}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				err := get(t.Context(), serve(c.texts...))
				switch {
				case name == "an endless head":
					if err == nil {
						t.Error("it was read")
					}
				case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
					t.Errorf("%v, want %q", err, c.want)
				case time.Since(start) != c.after:
					t.Errorf("after %s, want %s", time.Since(start), c.after)
				}
			})
		})
	}
}

// get downloads all of a file.
func get(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error)) error {
	r, _, err := download(ctx, httpClient(dial), "http://example.org/x")
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// The end of the context ends a download that stalls, and is its error.
func TestStallCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		if err := get(ctx, serve(head+"01234", "")); !errors.Is(err, why) {
			t.Error(err)
		}
	})
}

// open is an empty cache.
func open(t *testing.T) *cache.Cache {
	t.Helper()
	c, err := cache.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Whoever waits for a server sees for what.
func TestStallSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Parse("tarball:http://example.org/x#sha256=" + strings.Repeat("0", 64))
		if err != nil {
			t.Fatal(err)
		}
		var seen []progress.Event
		c := Cache{Store: open(t), Events: func(e progress.Event) { seen = append(seen, e) }, dial: serve("")}
		if _, err := c.Get(t.Context(), s); err == nil || !strings.Contains(err.Error(), "fetch tarball:http://example.org/x") {
			t.Error(err)
		}
		if len(seen) == 0 || seen[0].Message != "connecting to http://example.org/x" {
			t.Errorf("events %+v", seen)
		}
	})
}
