package source

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Time limits of a download.
const (
	dialTime  = 30 * time.Second // for a connection, and again for TLS
	replyTime = 60 * time.Second // from a request to the header of its answer
	stallTime = 60 * time.Second // without a byte of the body
)

// httpClient downloads sources. A body arrives as the server has it: the
// checksum is of a compressed file. The dialer may be replaced by tests.
func httpClient(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTime}).DialContext
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: dialTime, ResponseHeaderTimeout: replyTime, DisableCompression: true, DisableKeepAlives: true,
	}}
}

// download gives a file of a server, and its size in bytes, 0 if the server
// does not send it. Reading fails if no byte comes for stallTime.
func download(ctx context.Context, client *http.Client, url string) (io.ReadCloser, int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel(nil)
		return nil, 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		cancel(nil)
		return nil, 0, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		cancel(nil)
		return nil, 0, fmt.Errorf("the server answers %s", resp.Status)
	}
	b := &body{ctx: ctx, cancel: cancel, body: resp.Body}
	b.timer = time.AfterFunc(stallTime, func() { cancel(fmt.Errorf("no data for %s", stallTime)) })
	return b, max(resp.ContentLength, 0), nil
}

// A body is that of an HTTP response. It fails if it stalls.
type body struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	body   io.ReadCloser
	timer  *time.Timer
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if n > 0 {
		b.timer.Reset(stallTime)
	}
	if err != nil && err != io.EOF && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.body.Close()
}
