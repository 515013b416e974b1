package pairs

import (
	"reflect"
	"testing"
)

func TestCover(t *testing.T) {
	for _, tt := range []struct {
		sizes []int
		most  int // combinations
	}{
		{nil, 1}, {[]int{1}, 1}, {[]int{3, 4}, 12}, {[]int{2, 2, 2, 2}, 8}, {[]int{12, 3, 3, 3, 8, 2, 2}, 110}, {[]int{1, 1, 1}, 1},
	} {
		got := Cover(tt.sizes...)
		seen := map[pair]bool{}
		for _, c := range got {
			for i, a := range c {
				if a < 0 || a >= tt.sizes[i] {
					t.Fatalf("%v: combination %v", tt.sizes, c)
				}
				for j := range i {
					seen[pair{i, a, j, c[j]}] = true
				}
			}
		}
		pairs := 0
		for i, a := range tt.sizes {
			for _, b := range tt.sizes[:i] {
				pairs += a * b
			}
		}
		if len(seen) != pairs || len(got) > tt.most {
			t.Errorf("%v: %d of %d pairs in %d combinations, want at most %d", tt.sizes, len(seen), pairs, len(got), tt.most)
		}
		if tt.sizes == nil {
			continue
		}
		for _, v := range got[0] {
			if v != 0 {
				t.Errorf("%v: the first combination is %v", tt.sizes, got[0])
			}
		}
		if again := Cover(tt.sizes...); !reflect.DeepEqual(got, again) {
			t.Errorf("%v: two results", tt.sizes)
		}
	}
}
