package perf

import (
	"encoding/binary"
	"reflect"
	"testing"
)

func TestPerfSamples(t *testing.T) {
	rec := func(kind uint32, misc uint16, words ...uint64) (b []byte) {
		b = binary.LittleEndian.AppendUint32(b, kind)
		b = binary.LittleEndian.AppendUint16(b, misc)
		b = binary.LittleEndian.AppendUint16(b, uint16(perfHeader+8*len(words)))
		for _, w := range words {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
		return b
	}
	var ring []byte
	ring = append(ring, rec(perfSampleRec, 1, 7, 8)...)
	ring = append(ring, rec(2, 1, 9)...) // PERF_RECORD_LOST
	ring = append(ring, rec(perfSampleRec, 2, 10)...)
	want := []record{{kernel: true, words: []uint64{7, 8}}, {words: []uint64{10}}}
	if got := records(ring); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := records(ring[:len(ring)-1]); !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("cut off: got %v, want %v", got, want[:1])
	}
	if got := records(make([]byte, 64)); got != nil {
		t.Errorf("a record of size 0: got %v", got)
	}
}
