package tarblock_test

import (
	"testing"

	"migimg/encoders/tarblock"
)

// The second is the first number that GNU tar writes in binary.
func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{
		8<<30 - 1: "77777777777\x00",
		8 << 30:   "\x80\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00",
		0:         "00000000000\x00",
	} {
		b := make([]byte, 12)
		if tarblock.Number(b, n); string(b) != want {
			t.Errorf("%d is %q, not %q", n, b, want)
		}
	}
}

func TestEnd(t *testing.T) {
	for n, want := range map[int64]int64{0: 1024, 1: 1535, 511: 1025, 512: 1024, 513: 1535} {
		if got := tarblock.End(n); got != want {
			t.Errorf("%d zeros follow %d bytes, not %d", got, n, want)
		}
	}
}
