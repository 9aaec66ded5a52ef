package deflate

import (
	"encoding/binary"
	"math/bits"
)

// matcher finds where the next bytes have been before, by chained hashes (RFC 1951,
// section 4). Positions with equal hashes of four bytes are chained, the newest first. Of those with equal hashes of three bytes
// only the newest is known: matches of three bytes are worth it when near.
//
// Positions are known by their low 16 bits, which keeps the tables in the processor's
// cache. One that was never set, or is older than 64 KiB, is taken for another: what
// its bytes are decides, as with all. Distance 0 is none.
type matcher struct {
	window int
	shift  uint8                 // makes hashes out of products
	head   [1 << maxHash]uint16  // the newest position of each hash of four bytes
	near   [1 << nearBits]uint16 // and of three
	// prev has the next older position of the same hash, by the low bits of the
	// position.
	prev [maxWindow]uint16
}

const (
	maxHash  = 16         // bits of a hash of four bytes, at most
	nearBits = 12         // and of three
	mix      = 0x9E3779B1 // 2^32 divided by the golden ratio
)

// init prepares for a window.
func (m *matcher) init(window int) {
	m.window, m.shift = window, uint8(32-min(maxHash, bits.Len(uint(window))+1))
}

// reset forgets all positions. Of prev, only what was set since is read.
func (m *matcher) reset() {
	clear(m.head[:1<<(32-m.shift)])
	clear(m.near[:])
}

// insert makes pos known, where v is, and returns how far back the newest positions
// with its hashes are. All positions are inserted, in order.
func (m *matcher) insert(v uint32, pos int) (near, dist uint16) {
	h3, h := v<<8*mix>>(32-nearBits), v*mix>>(m.shift&31)&(1<<maxHash-1)
	low := uint16(pos)
	at, to := m.near[h3], m.head[h]
	m.near[h3], m.head[h] = low, low
	m.prev[pos&(m.window-1)&(maxWindow-1)] = to
	return low - at, low - to
}

// find inserts pos and finds the longest match of it that is longer than least, at
// least 2, among the newest depth positions. Nice bytes are long enough. Without any
// the distance is 0.
func (m *matcher) find(src []byte, pos, least, depth int) (length, dist int) {
	v := binary.LittleEndian.Uint32(src[pos:])
	near, d := m.insert(v, pos)
	limit := min(m.window, pos)
	best, most := max(least, minMatch), min(maxMatch, len(src)-pos)
	if best >= most {
		return best, 0
	}
	own := src[pos : pos+most]
	// A longer match has these four bytes last, or beyond.
	tail := binary.LittleEndian.Uint32(own[best-3:])
	last := 0
	// A chain has ended where it goes back no farther.
	for k := int(d); k > last && k <= limit; k = int(uint16(pos) - m.prev[(pos-k)&(m.window-1)&(maxWindow-1)]) {
		if binary.LittleEndian.Uint32(src[pos-k+best-3:]) == tail {
			if n := matchLen(src[pos-k:], own); n > best {
				best, dist = n, k
				if n >= nice || n >= most {
					break
				}
				tail = binary.LittleEndian.Uint32(own[best-3:])
			}
		}
		if depth--; depth == 0 {
			break
		}
		last = k
	}
	if dist == 0 && least < minMatch {
		k := int(near)
		if k > 0 && k <= min(limit, far) && (binary.LittleEndian.Uint32(src[pos-k:])^v)<<8 == 0 {
			return minMatch, k
		}
	}
	return best, dist
}

// matchLen is how many bytes of b are as in a, which is not shorter.
func matchLen(a, b []byte) int {
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
