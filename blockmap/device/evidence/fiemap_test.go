package evidence

import (
	"slices"
	"testing"
)

func TestCovered(t *testing.T) {
	lay := []Extent{{At: 0, Off: 100, Len: 10}, {At: 10, Off: 500, Len: 10}, {At: 30, Off: 520, Len: 10}}
	for _, x := range []struct {
		now       Extent
		placeless bool
		left      []Extent
	}{
		{Extent{At: 0, Off: 100, Len: 10}, false, lay[1:]},
		{Extent{At: 0, Off: 100, Len: 4}, false, []Extent{{At: 4, Off: 104, Len: 6}, lay[1], lay[2]}},
		{Extent{At: 0, Off: 101, Len: 10}, false, lay}, // elsewhere
		{Extent{At: 0, Off: 100, Len: 10}, true, lay},  // nowhere
		{Extent{At: 5, Off: 105, Len: 10}, false, lay}, // the beginning is gone
		{Extent{At: 0, Off: 100, Len: 25}, false, lay[1:]},
	} {
		if left := covered(slices.Clone(lay), x.now, x.placeless); !slices.Equal(left, x.left) {
			t.Errorf("%+v, placeless %v: left %+v, want %+v", x.now, x.placeless, left, x.left)
		}
	}
	joined := []Extent{{At: 10, Off: 510, Len: 10}, {At: 20, Off: 520, Len: 4}}
	if left := covered(joined, Extent{At: 0, Off: 500, Len: 100}, false); len(left) != 0 {
		t.Errorf("two pieces of one extent: left %+v", left)
	}
}
