package layout_test

import (
	"bytes"
	"testing"

	"migimg/encoders/encodertest"
	"migimg/encoders/layout"
)

// TestAppendLayout: a layout in another one has the same bytes, segments and holes.
func TestAppendLayout(t *testing.T) {
	for seed := range uint64(50) {
		inner := random(seed)
		var b layout.Builder
		b.Append(layout.MetaBytes("before", []byte("before")))
		if at := b.AppendLayout(inner); at != 6 {
			t.Fatalf("it begins at %d", at)
		}
		b.Append(layout.MetaBytes("behind", []byte("behind")))
		outer := b.Layout()
		if outer.Size() != inner.Size()+12 || outer.Allocated() != inner.Allocated()+12 {
			t.Fatalf("seed %d: %d bytes, %d allocated", seed, outer.Size(), outer.Allocated())
		}
		for i, s := range inner.Segments() {
			s.Offset += 6
			if got := outer.Segments()[i+1]; got != s {
				t.Errorf("seed %d: segment %d is %+v, not %+v", seed, i, got, s)
			}
		}
		want := make([]byte, inner.Size())
		if n, err := encodertest.Plain(inner, disk{}).ReadAt(want, 0); n < len(want) {
			t.Fatal(n, err)
		}
		got := make([]byte, outer.Size())
		if n, err := layout.NewReader(outer, disk{}).ReadAt(got, 0); n < len(got) {
			t.Fatal(n, err)
		}
		if string(got) != "before"+string(want)+"behind" {
			t.Errorf("seed %d: the bytes differ", seed)
		}
		if n, err := encodertest.Plain(outer, disk{}).ReadAt(got, 0); n < len(got) || !bytes.Equal(got[6:6+len(want)], want) {
			t.Errorf("seed %d: read plainly, the bytes differ: %v", seed, err)
		}
	}
}

// TestAppendLayoutTwice: a layout stays as it is when more follows it.
func TestAppendLayoutTwice(t *testing.T) {
	inner, want := sample()
	var b layout.Builder
	b.AppendLayout(inner)
	if at := b.AppendLayout(inner); at != inner.Size() {
		t.Errorf("the second begins at %d", at)
	}
	for _, l := range []*layout.Layout{inner, b.Layout()} {
		got := make([]byte, l.Size())
		if n, err := layout.NewReader(l, disk{}).ReadAt(got, 0); n < len(got) || !bytes.Equal(got[len(got)-len(want):], want) {
			t.Errorf("%d bytes of %d, or wrong ones: %v", n, l.Size(), err)
		}
	}
}

func TestAppendLayoutWithSum(t *testing.T) {
	l, _ := followed(t)
	defer func() {
		if recover() == nil {
			t.Error("a layout with a sum is taken")
		}
	}()
	new(layout.Builder).AppendLayout(l)
}
