package secrets

import (
	"bytes"
	"testing"

	"github.com/ldlab/ldlab/scenarios/internal/netlink"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func TestSizes(t *testing.T) {
	for name, c := range map[string]struct {
		v    any
		want int
	}{
		"struct tcp_md5sig":                    {md5Key{}, 216},
		"struct inet_diag_req_v2":              {diagRequest{}, 56},
		"struct tls12_crypto_info_aes_gcm_128": {tlsKey{}, 40},
		"struct dm_ioctl":                      {dmHead{}, 312},
		"struct dm_target_spec":                {dmTarget{}, 40},
	} {
		if got := len(netlink.Encode(c.v)); got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, got, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	b := append([]byte("head"), append(attr(7, []byte("abcde")), attr(9, []byte("fg"))...)...)
	if got := find(b, 4, 9); !bytes.Equal(got, []byte("fg")) {
		t.Errorf("found %q", got)
	}
	for _, b := range [][]byte{b[:7], b[:15], {'h', 'e', 'a', 'd', 2, 0, 9, 0}, nil} {
		if got := find(b, 4, 9); got != nil {
			t.Errorf("% x: found %q", b, got)
		}
	}
}

func TestRead(t *testing.T) {
	key := newKey(16)
	if r := read("call", append([]byte("x"), key...), key); r.Outcome != observe.Allowed || r.Effect != observe.Happened {
		t.Errorf("%+v", r)
	}
	for _, got := range [][]byte{nil, make([]byte, 16), key[:15]} {
		if r := read("call", got, key); r.Outcome != observe.Denied || r.Effect != observe.Nothing || r.Face == "" {
			t.Errorf("% x: %+v", got, r)
		}
	}
}
