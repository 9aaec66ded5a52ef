package blockmap

import "testing"

func TestMask(t *testing.T) {
	for i := int64(0); i <= 128; i++ {
		for j := i; j <= 128; j++ {
			var m mask
			m.setRange(i, j)
			full := mask{^uint64(0), ^uint64(0)}
			full.clearRange(i, j)
			if m.count() != j-i || full.count() != 128-(j-i) {
				t.Fatalf("[%d, %d): %d set, %d left", i, j, m.count(), full.count())
			}
			first := int64(128)
			if i < j {
				first = i
			}
			if got := m.next(0, 128, true); got != first {
				t.Fatalf("[%d, %d): next one at %d", i, j, got)
			}
			if got := full.next(0, 128, false); got != first {
				t.Fatalf("[%d, %d): next zero at %d", i, j, got)
			}
			if i < j {
				if got := m.next(i, 128, false); got != j {
					t.Fatalf("[%d, %d): next zero from %d at %d", i, j, i, got)
				}
			}
			if got := m.next(i, 8, true); got < i && got != 8 || got > max(i, 8) {
				t.Fatalf("[%d, %d): next in 8: %d", i, j, got)
			}
		}
	}
}

// TestMaskLimit: with too many masks, clusters are carried as they are.
func TestMaskLimit(t *testing.T) {
	const clusters = 3
	m, err := newMap(clusters*65536, 65536)
	if err != nil {
		t.Fatal(err)
	}
	m.masks.count = maxMasks - 1 // as if the rest of a large disk had them
	for c := range int64(clusters) {
		m.free(c*65536, 4096)
	}
	m.bits.index()
	if m.Unmasked() != 2 {
		t.Errorf("%d clusters without a mask", m.Unmasked())
	}
	if got, want := m.Bytes(), int64(clusters*65536-4096); got != want {
		t.Errorf("%d bytes carried, want %d", got, want)
	}
	// A whole cluster needs no mask.
	m.free(65536, 65536)
	m.bits.index()
	if got, want := m.Bytes(), int64(2*65536-4096); got != want {
		t.Errorf("%d bytes carried, want %d", got, want)
	}
}
