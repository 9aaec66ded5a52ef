package fusefs

const (
	// keepBehind is how much behind a reader stays in the page cache, in bytes: it
	// may read a little of it again.
	keepBehind = 4 << 20
	// dropAtOnce is how much is dropped at a time, in bytes.
	dropAtOnce = 4 << 20
)

// behind drops from the kernel's page cache what a reader that goes from front to
// back has passed. read(2) leaves nothing there (FOPEN_DIRECT_IO), but
// sendfile(2), splice(2) and mappings go through it, and a disk sent that way
// would push out everything else that the server keeps. It belongs to a stream
// and is used under its lock.
type behind struct {
	drop  func(off, n int64) // nil for none
	from  int64              // all before is dropped, or was never read
	under bool               // a drop is under way
}

// restart begins anew with a reader that has jumped to off from next. The kernel's own
// reading ahead asks out of order, at the beginning as well: what is near is no jump.
func (b *behind) restart(off, next int64) {
	if off >= b.from-keepBehind && off <= next+keepBehind {
		b.from = min(b.from, off)
		return
	}
	b.from = off
}

// passed drops what lies far enough before off. The kernel waits for pages that
// are being read, by anybody, so this must not: a request would wait for itself.
// under is set until end is called.
func (b *behind) passed(off int64, end func()) {
	n := off - keepBehind - b.from
	if b.drop == nil || b.under || n < dropAtOnce {
		return
	}
	at := b.from
	b.from, b.under = at+n, true
	go func() {
		b.drop(at, n)
		end()
	}()
}

// rest drops what the reader has left, now that it has ended.
func (b *behind) rest(off int64) {
	if n := off - b.from; b.drop != nil && n > 0 {
		go b.drop(b.from, n)
	}
}
