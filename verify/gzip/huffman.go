package gzip

import "fmt"

const (
	primaryBits = 10 // of the first table
	maxCode     = 15 // bits; RFC 1951, 3.2.7
	linked      = 1 << 15
)

// table decodes a Huffman code: an entry for each value of the next primaryBits bits,
// which is symbol<<16 | length, and 0 where there is no such code. Longer codes have an
// entry with the bit linked set, whose symbol is the offset of a second table and whose
// length is how many more bits that takes.
type table struct {
	entries []uint32
	lengths [maxCode + 1]int
}

// build makes the table of the codes with the given lengths (RFC 1951, 3.2.2). What
// zlib refuses is refused: more codes than fit, and fewer than fill the tree but for a
// single one of length 1, or none.
func (t *table) build(lengths []uint8) error {
	t.lengths = [maxCode + 1]int{}
	for _, n := range lengths {
		t.lengths[n]++
	}
	t.lengths[0] = 0
	most, left, codes := 0, 1, 0
	var next [maxCode + 2]int
	for n := 1; n <= maxCode; n++ {
		if left = left<<1 - t.lengths[n]; left < 0 {
			return fmt.Errorf("a Huffman code with too many codes of %d bits", n)
		}
		if t.lengths[n] > 0 {
			most = n
		}
		codes += t.lengths[n]
		next[n+1] = (next[n] + t.lengths[n]) << 1
	}
	if left > 0 && most > 1 {
		return fmt.Errorf("a Huffman code that is not complete")
	}
	t.entries = append(t.entries[:0], make([]uint32, 1<<primaryBits)...)
	second := max(0, most-primaryBits) // bits of a second table
	for sym, n := range lengths {
		if n == 0 {
			continue
		}
		code := next[n]
		next[n]++
		rev := reverse(code, int(n))
		e := uint32(sym)<<16 | uint32(n)
		if int(n) <= primaryBits {
			for i := rev; i < 1<<primaryBits; i += 1 << n {
				t.entries[i] = e
			}
			continue
		}
		low := rev & (1<<primaryBits - 1)
		if t.entries[low] == 0 {
			t.entries[low] = uint32(len(t.entries))<<16 | linked | uint32(second)
			t.entries = append(t.entries, make([]uint32, 1<<second)...)
		}
		base := int(t.entries[low] >> 16)
		for i := rev >> primaryBits; i < 1<<second; i += 1 << (int(n) - primaryBits) {
			t.entries[base+i] = e
		}
	}
	return nil
}

// look finds the code that the low bits of b begin with; 0 for none. Its low byte is
// the code's length, its upper half the symbol.
func (t *table) look(b uint64) uint32 {
	e := t.entries[b&(1<<primaryBits-1)]
	if e&linked != 0 {
		e = t.entries[uint64(e>>16)+b>>primaryBits&(1<<(e&31)-1)]
	}
	return e
}

// symbol takes the next symbol.
func (t *table) symbol(in *input) (uint32, error) {
	if in.n < maxCode {
		in.fill()
	}
	e := t.look(in.bits)
	n := uint(e & 31)
	switch {
	case e == 0 && in.n < maxCode || n > in.n:
		return 0, in.short()
	case e == 0:
		return 0, fmt.Errorf("bits that are no code")
	}
	in.drop(n)
	return e >> 16, nil
}

func reverse(code, n int) (out int) {
	for range n {
		out = out<<1 | code&1
		code >>= 1
	}
	return out
}
