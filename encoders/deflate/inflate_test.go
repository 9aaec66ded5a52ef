package deflate_test

import "errors"

var errStream = errors.New("not one deflate stream")

// inflater reads bits of a stream (RFC 1951, section 3.1.1).
type inflater struct {
	in   []byte
	at   int // in bits
	out  []byte
	most int // the farthest that a match reached back
}

func (f *inflater) get(n int) (v int) {
	for i := range n {
		if f.at >= 8*len(f.in) {
			panic(errStream)
		}
		v |= int(f.in[f.at/8]>>(f.at%8)&1) << i
		f.at++
	}
	return v
}

// coding has symbols by code and length: code plus 1<<length.
type coding map[int]int

// newCoding makes codes of lengths (section 3.2.2), which must be a complete set.
func newCoding(lens []int) coding {
	c, code := coding{}, 0
	for n := 1; n <= 15; n++ {
		code <<= 1
		for sym, l := range lens {
			if l == n {
				c[code|1<<n] = sym
				code++
			}
		}
	}
	if code != 1<<15 {
		panic(errStream)
	}
	return c
}

func (f *inflater) symbol(c coding) int {
	code := 1
	for code < 1<<16 {
		code = code<<1 | f.get(1)
		if sym, ok := c[code]; ok {
			return sym
		}
	}
	panic(errStream)
}

// dynamic reads the codes of a block (section 3.2.7).
func (f *inflater) dynamic() (lit, dist coding) {
	numLit, numDist, n := f.get(5)+257, f.get(5)+1, f.get(4)+4
	if numLit > 286 || numDist > 30 {
		panic(errStream)
	}
	lens := make([]int, 19)
	for _, sym := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:n] {
		lens[sym] = f.get(3)
	}
	c, all := newCoding(lens), []int{}
	for len(all) < numLit+numDist {
		sym := f.symbol(c)
		if sym < 16 {
			all = append(all, sym)
			continue
		}
		length, times := 0, 0
		switch sym {
		case 16:
			length, times = all[len(all)-1], 3+f.get(2)
		case 17:
			times = 3 + f.get(3)
		default:
			times = 11 + f.get(7)
		}
		for range times {
			all = append(all, length)
		}
	}
	if len(all) != numLit+numDist {
		panic(errStream)
	}
	return newCoding(all[:numLit]), newCoding(all[numLit:])
}

// fixed are the codes of section 3.2.6.
func (f *inflater) fixed() (lit, dist coding) {
	lens := make([]int, 288)
	for i := range lens {
		switch {
		case i < 144, i >= 280:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		default:
			lens[i] = 7
		}
	}
	dists := make([]int, 32)
	for i := range dists {
		dists[i] = 5
	}
	return newCoding(lens), newCoding(dists)
}

// match reads the rest of a match whose length has symbol sym (section 3.2.5).
func (f *inflater) match(sym int, dist coding) {
	length := 0
	switch k := sym - 257; {
	case k < 8:
		length = 3 + k
	case k < 28:
		length = 3 + (4+k%4)<<(k/4-1) + f.get(k/4-1)
	case k == 28:
		length = 258
	default:
		panic(errStream)
	}
	d := f.symbol(dist)
	if d >= 4 {
		if d > 29 {
			panic(errStream)
		}
		d = (2+d%2)<<(d/2-1) + f.get(d/2-1)
	}
	d++
	if d > len(f.out) {
		panic(errStream)
	}
	f.most = max(f.most, d)
	for range length {
		f.out = append(f.out, f.out[len(f.out)-d])
	}
}

func (f *inflater) block() (last bool) {
	last = f.get(1) == 1
	var lit, dist coding
	switch f.get(2) {
	case 0: // section 3.2.4
		f.at = (f.at + 7) / 8 * 8
		n := f.get(16)
		if f.get(16) != n^0xffff || f.at/8+n > len(f.in) {
			panic(errStream)
		}
		f.out = append(f.out, f.in[f.at/8:f.at/8+n]...)
		f.at += 8 * n
		return last
	case 1:
		lit, dist = f.fixed()
	case 2:
		lit, dist = f.dynamic()
	default:
		panic(errStream)
	}
	for {
		switch sym := f.symbol(lit); {
		case sym < 256:
			f.out = append(f.out, byte(sym))
		case sym == 256:
			return last
		default:
			f.match(sym, dist)
		}
	}
}

// inflate is the slow way: it shares nothing with the encoder, takes complete sets of
// codes only, and says how far matches reach back.
func inflate(packed []byte) (out []byte, farthest int, err error) {
	f := &inflater{in: packed}
	defer func() {
		if e := recover(); e != nil {
			out, farthest, err = f.out, f.most, errStream
		}
	}()
	for !f.block() {
	}
	if (f.at+7)/8 != len(packed) {
		return f.out, f.most, errStream
	}
	return f.out, f.most, nil
}
