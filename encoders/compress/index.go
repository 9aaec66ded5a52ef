package compress

import "sort"

// stride is how many units share an entry of an index.
const stride = 64

// Index says where each of many things lies that follow one another, each as long
// as size says. A length may be 0.
type Index struct {
	count  int64
	size   func(k int64) int64
	starts []int64 // of every stride-th thing, and the end
}

// NewIndex makes the index of count things. size must not change.
func NewIndex(count int64, size func(k int64) int64) *Index {
	x := &Index{count: count, size: size, starts: make([]int64, 0, count/stride+2)}
	at := int64(0)
	for k := range count {
		if k%stride == 0 {
			x.starts = append(x.starts, at)
		}
		at += size(k)
	}
	x.starts = append(x.starts, at)
	return x
}

// Start is where thing k begins, in bytes from the first one's beginning; k may be
// the count.
func (x *Index) Start(k int64) int64 {
	if k == x.count {
		return x.Total()
	}
	at := x.starts[k/stride]
	for i := k / stride * stride; i < k; i++ {
		at += x.size(i)
	}
	return at
}

// Len is the length of thing k.
func (x *Index) Len(k int64) int64 { return x.size(k) }

// Find is the thing that byte off lies in, 0 <= off < Total.
func (x *Index) Find(off int64) int64 {
	block := int64(sort.Search(len(x.starts)-1, func(i int) bool { return x.starts[i] > off })) - 1
	at := x.starts[block]
	for k := block * stride; ; k++ {
		n := x.size(k)
		if at+n > off {
			return k
		}
		at += n
	}
}

// Total is the length of all in bytes.
func (x *Index) Total() int64 { return x.starts[len(x.starts)-1] }

// Run is run, which says how many things from k on are together on the disk, ended
// before the next one of length 0: that one need not be read.
func (x *Index) Run(run func(k, max int64) int64) func(k, max int64) int64 {
	return func(k, most int64) int64 {
		n := int64(1)
		for n < most && k+n < x.count && x.size(k+n) > 0 {
			n++
		}
		return run(k, n)
	}
}
