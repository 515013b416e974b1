package kernels

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// stall makes a mirror that stops in the middle of files whose paths have the text.
func (m *mirror) stall(text string) {
	next := m.server.Config.Handler
	stop := make(chan struct{})
	m.t.Cleanup(func() { close(stop) }) // before the server waits for its handlers
	m.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, text) {
			next.ServeHTTP(w, r)
			return
		}
		size := int64(1000)
		if info, err := os.Stat(filepath.Join(m.root, r.URL.Path)); err == nil {
			size = info.Size()
		}
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		w.Write(make([]byte, size/2))
		w.(http.Flusher).Flush()
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
}

// TestMirrorStalls: a mirror that stalls is one line that says so, and nothing half
// is in the cache.
func TestMirrorStalls(t *testing.T) {
	for name, text := range map[string]string{
		"lists": "dists/", "package": "linux-image-6.1.1-amd64",
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(t)
			m.suite("oldstable", m.oldKernel("6.1.1-amd64", "6.1.1-1"), "")
			m.stall(text)
			cache := t.TempDir()
			start := time.Now()
			_, err := (&Builder{Cache: cache}).Build(t.Context(), readySpec(t, "debian:6.1"))
			t.Log(time.Since(start), err)
			if err == nil || !strings.Contains(err.Error(), "a mirror of the machine's apt sources stalls or cannot be reached") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
			for _, kind := range []string{"sources/*/*", "trees/*"} {
				if found, _ := filepath.Glob(filepath.Join(cache, kind)); len(found) > 0 {
					t.Errorf("left %s", found)
				}
			}
		})
	}
}

// A silent mirror accepts connections and never answers.
func silent(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l // the kernel completes connections that nobody accepts
}

// TestMirrorSilent: a mirror that never answers, or that refuses connections, is one
// line, which does not go on with what follows from that.
func TestMirrorSilent(t *testing.T) {
	for name, refuse := range map[string]bool{"never answers": false, "refuses": true} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(t)
			l := silent(t)
			m.server.Close()
			if refuse {
				l.Close()
			}
			sources := filepath.Join(filepath.Dir(os.Getenv("APT_CONFIG")), "sources.list")
			write(t, sources, "deb [trusted=yes] http://"+l.Addr().String()+"/debian oldstable main\n")
			start := time.Now()
			_, err := (&Builder{Cache: t.TempDir()}).Build(t.Context(), readySpec(t, "debian:6.1"))
			t.Log(time.Since(start), err)
			if err == nil || !strings.Contains(err.Error(), "a mirror of the machine's apt sources stalls or cannot be reached") ||
				strings.Contains(err.Error(), "no Debian mirror") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
		})
	}
}
