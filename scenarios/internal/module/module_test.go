package module

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/asn1"
	"io"
	"testing"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func TestGzip(t *testing.T) {
	for _, n := range []int{0, 1, 0xffff, 0x10000, 200000} {
		data := bytes.Repeat([]byte("ldlab"), n/5+1)[:n]
		z, err := stdgzip.NewReader(bytes.NewReader(gzip(data)))
		if err != nil {
			t.Fatal(n, err)
		}
		if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d bytes come back, %v", n, len(got), err)
		}
	}
}

// TestJunk reads the signatures as the kernel does: from the end of the file.
func TestJunk(t *testing.T) {
	for s := range signatures {
		file := Junk{Size: JunkSize, Sign: s}.bytes()
		rest, signed := bytes.CutSuffix(file, []byte("~Module signature appended~\n"))
		if signed != (s != None) {
			t.Errorf("signature %d: signed is %v", s, signed)
		}
		if !signed {
			continue
		}
		info := rest[len(rest)-12:]
		size := int(info[10])<<8 | int(info[11])
		blob := rest[len(rest)-12-size : len(rest)-12]
		if len(rest)-12-size != JunkSize || (info[2] == 2) != (s != NoPKCS7) {
			t.Errorf("signature %d: module_signature is % x", s, info)
		}
		var outer struct {
			Type    asn1.ObjectIdentifier
			Content asn1.RawValue `asn1:"explicit,tag:0"`
		}
		if rest, err := asn1.Unmarshal(blob, &outer); err != nil || len(rest) > 0 || outer.Type.String() != "1.2.840.113549.1.7.2" {
			t.Errorf("signature %d: %v, type %v", s, err, outer.Type)
		}
	}
}

func TestJudgeParams(t *testing.T) {
	sets := []string{"irq=7"}
	for _, c := range []struct {
		name  string
		shown []string
		log   string
		want  observe.Effect
	}{
		{"set", []string{"irq=7"}, "ldlab_nop: irq is set to 7\n", observe.Happened},
		{"ignored", []string{"irq=0"}, "", observe.Nothing},
		{"refused", nil, "Lockdown: ldp-1: unsafe module parameters is restricted\n", observe.Nothing},
		{"set, then refused", nil, "ldlab_nop: irq is set to 7\n", observe.Happened},
	} {
		if r := judgeParams(observe.Report{}, sets, c.shown, c.log); r.Effect != c.want {
			t.Errorf("%s: %s, want %s", c.name, r.Effect, c.want)
		}
	}
}
