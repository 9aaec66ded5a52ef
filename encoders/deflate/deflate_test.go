package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"migimg/encoders/deflate"
)

const window = 4 << 10

// noise is n random bytes below most.
func noise(seed uint64, n, most int) []byte {
	rnd := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.IntN(most))
	}
	return b
}

// text is n bytes of words, each k-th of which is a number.
func text(seed uint64, n, k int) []byte {
	rnd := rand.New(rand.NewPCG(seed, 2))
	words := []string{"server ", "disk ", "image ", "cloud ", "\n", "the ", "moves ", "= ", "blocks", ", "}
	b := make([]byte, 0, n+16)
	for i := 0; len(b) < n; i++ {
		if i%k == k-1 {
			b = fmt.Appendf(b, "%d ", rnd.Uint32N(1000000))
		} else {
			b = append(b, words[rnd.IntN(len(words))]...)
		}
	}
	return b[:n]
}

// mixed is n times 64 KiB of all kinds, with parts that differ within each, too.
func mixed(n int) []byte {
	b := make([]byte, 0, n<<16)
	for i := range uint64(n) {
		switch i % 4 {
		case 0:
			b = append(b, text(i, 64<<10, 5)...)
		case 1:
			b = append(b, text(i, 16<<10, 3)...)
			b = append(b, noise(i, 24<<10, 64)...)
			b = append(b, make([]byte, 24<<10)...)
		case 2:
			b = append(b, bytes.Repeat(noise(i, 3000, 256), 8)...)
			b = append(b, noise(i, 64<<10-24000, 20)...)
		default:
			b = append(b, noise(i, 64<<10, 256)...)
		}
	}
	return b
}

// roundTrip packs src and has Go's inflater and the test's own take it apart.
func roundTrip(t *testing.T, e *deflate.Encoder, src []byte, window int) []byte {
	t.Helper()
	packed := e.Append(nil, src)
	r := bytes.NewReader(packed)
	back, err := io.ReadAll(flate.NewReader(r))
	if err != nil || !bytes.Equal(back, src) || r.Len() != 0 {
		t.Fatalf("%d bytes, packed to %d, become %d, %d are left: %v", len(src), len(packed), len(back), r.Len(), err)
	}
	back, farthest, err := inflate(packed)
	if err != nil || !bytes.Equal(back, src) {
		t.Fatalf("%d bytes, packed to %d, become %d: %v", len(src), len(packed), len(back), err)
	}
	if farthest > window {
		t.Fatalf("a match reaches back %d bytes, more than %d", farthest, window)
	}
	if most := len(src) + 16 + len(src)/1000; len(packed) > most {
		t.Errorf("%d bytes become %d, more than %d", len(src), len(packed), most)
	}
	return packed
}

// TestRoundTrip: all kinds of data come back, whatever the window, with no match
// beyond it; what the encoder packed before makes no difference.
func TestRoundTrip(t *testing.T) {
	inputs := map[string][]byte{
		"empty": nil, "byte": {7}, "zeros": make([]byte, 64<<10), "ones": bytes.Repeat([]byte{255}, 100001),
		"random": noise(1, 64<<10, 256), "bits": noise(2, 64<<10, 2), "text": text(3, 64<<10, 4),
		"mixed": mixed(8), "random, large": noise(4, 2<<20, 256), "zeros, large": make([]byte, 2<<20),
		"text, large": text(5, 2<<20-1, 7), "skewed": skewed(64 << 10),
	}
	for _, w := range []int{256, 512, window, 32 << 10} {
		for _, d := range []int{1, 2, 3, 4, 5, 7, 8, 257, 258, 259, w - 1, w, w + 1, w + 7} {
			inputs[fmt.Sprintf("repeated after %d", d)] = bytes.Repeat(noise(uint64(d), d, 256), 64<<10/d+1)
		}
	}
	for _, w := range []int{256, window, 32 << 10} {
		e := deflate.New(w)
		for name, src := range inputs { // in random order
			t.Run(fmt.Sprintf("%d/%s", w, name), func(t *testing.T) {
				packed := roundTrip(t, e, src, w)
				if other := deflate.New(w).Append([]byte("before"), src); !bytes.Equal(other[6:], packed) {
					t.Error("what was packed before makes a difference")
				}
			})
		}
	}
}

// skewed has bytes as rare as makes the longest codes: each half as frequent as the
// one before, and never repeated for long.
func skewed(n int) []byte {
	rnd := rand.New(rand.NewPCG(8, 9))
	b := make([]byte, n)
	for i := range b {
		for b[i] < 200 && rnd.IntN(2) == 0 {
			b[i]++
		}
		b[i] = b[i]*37 + 11
	}
	return b
}

func TestLengths(t *testing.T) {
	e := deflate.New(window)
	for n := range 601 {
		roundTrip(t, e, text(uint64(n), n, 3), window)
		roundTrip(t, e, noise(uint64(n), n, 256), window)
		roundTrip(t, e, noise(uint64(n), n, 2), window)
		roundTrip(t, e, make([]byte, n), window)
	}
	for _, n := range []int{65534, 65535, 65536, 65537, 131070, 131071, 300001} {
		roundTrip(t, e, noise(uint64(n), n, 256), window)
		roundTrip(t, e, text(uint64(n), n, 9), window)
	}
}

// TestReach: a repetition is found as far back as the window reaches, and no farther.
func TestReach(t *testing.T) {
	for _, w := range []int{256, window, 32 << 10} {
		e := deflate.New(w)
		for d, found := range map[int]bool{w - 1: true, w: true, w + 1: false} {
			src := bytes.Repeat(noise(uint64(d), d, 256), 3)
			if n := len(roundTrip(t, e, src, w)); found != (n < 2*d) {
				t.Errorf("window %d: %d bytes, repeated after %d, are packed to %d", w, len(src), d, n)
			}
		}
	}
}

// TestSize: about what Go's own encoder, which looks back 32 KiB, makes of it.
func TestSize(t *testing.T) {
	for name, src := range map[string][]byte{"mixed": mixed(8), "text": text(1, 64<<10, 3), "zeros": make([]byte, 64<<10)} {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, 6)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(src); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		if n := len(deflate.New(32<<10).Append(nil, src)); n > b.Len()*110/100+200 {
			t.Errorf("%s: %d bytes, Go makes %d", name, n, b.Len())
		}
	}
}

func TestAllocations(t *testing.T) {
	e, src := deflate.New(window), mixed(4)
	dst := e.Append(nil, src)
	dst = dst[:0:len(dst)] // just enough
	if n := testing.AllocsPerRun(10, func() { dst = e.Append(dst[:0], src) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNew(t *testing.T) {
	for _, w := range []int{0, 128, 4095, 64 << 10} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a window of %d is taken", w)
				}
			}()
			deflate.New(w)
		}()
	}
}

func FuzzAppend(f *testing.F) {
	f.Add([]byte("abcabcabcabc"), uint8(0), uint16(1))
	f.Add(text(1, 3000, 3), uint8(4), uint16(20))
	f.Add(noise(1, 300, 256), uint8(7), uint16(300))
	f.Fuzz(func(t *testing.T, src []byte, log uint8, times uint16) {
		w := 256 << (log % 8)
		src = bytes.Repeat(src, 1+int(times)%(1+(128<<10)/max(1, len(src))))
		roundTrip(t, deflate.New(w), src, w)
	})
}

func BenchmarkAppend(b *testing.B) {
	for name, src := range map[string][]byte{"mixed": mixed(16), "zeros": make([]byte, 1<<20), "random": noise(1, 1<<20, 256)} {
		b.Run(name, func(b *testing.B) {
			e := deflate.New(window)
			b.SetBytes(int64(len(src)))
			var dst []byte
			packed := 0
			for b.Loop() {
				packed = 0
				for at := 0; at < len(src); at += 64 << 10 {
					dst = e.Append(dst[:0], src[at:at+64<<10])
					packed += len(dst)
				}
			}
			b.ReportMetric(100*float64(packed)/float64(len(src)), "%")
		})
	}
}
