// Package build makes small disk images for the tests of verify, straight from
// the formats' documents and independently of what migimg itself writes. Only
// tests import it.
package build

import (
	"bytes"
	"math/rand/v2"
)

// Image is an image file, and which of its bytes no reader needs.
type Image struct {
	Bytes []byte
	// Slack lists half-open ranges of bytes that may hold anything.
	Slack [][2]int
	// Data is where the guest's bytes begin, for the formats whose metadata takes
	// MiBs.
	Data int
}

// Disk makes a disk of n bytes in which every third unit holds random bytes,
// and returns it with the list of those units.
func Disk(seed uint64, n, unit int) (disk []byte, used []int) {
	disk = make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for u := 0; u*unit < n; u++ {
		if u%3 != 1 {
			continue
		}
		used = append(used, u)
		for i := u * unit; i < min(n, (u+1)*unit); i++ {
			disk[i] = byte(1 + r.IntN(255))
		}
	}
	return disk, used
}

// padded gives n bytes of disk at off, zeros after its end.
func padded(disk []byte, off, n int) []byte {
	p := make([]byte, n)
	if off < len(disk) {
		copy(p, disk[off:])
	}
	return p
}

func up(n, unit int) int { return (n + unit - 1) / unit * unit }

func pad(b *bytes.Buffer, unit int) {
	b.Write(make([]byte, up(b.Len(), unit)-b.Len()))
}
