package build

import "encoding/binary"

// QCOW2 makes a version 3 image with 16 bit refcounts: header, refcount table,
// refcount blocks, L1, L2 tables, data. used lists the guest clusters in it.
func QCOW2(disk []byte, used []int, clusterBits int) Image {
	cs := 1 << clusterBits
	per := cs / 8
	guests := up(len(disk), cs) / cs
	l1n := up(guests, per) / per
	l1c := up(l1n*8, cs) / cs
	touched := map[int]bool{}
	for _, u := range used {
		touched[u/per] = true
	}
	fixed := 1 + l1c + len(touched) + len(used)
	rb, rt := 0, 0
	for { // the refcounts count the refcount tables, too
		b := up(2*(fixed+rb+rt), cs) / cs
		t := up(8*b, cs) / cs
		if b == rb && t == rt {
			break
		}
		rb, rt = b, t
	}
	total := fixed + rb + rt
	f := make([]byte, total*cs)
	be := binary.BigEndian
	l1 := 1 + rt + rb
	copy(f, "QFI\xfb")
	be.PutUint32(f[4:], 3)
	be.PutUint32(f[20:], uint32(clusterBits))
	be.PutUint64(f[24:], uint64(len(disk)))
	be.PutUint32(f[36:], uint32(l1n))
	be.PutUint64(f[40:], uint64(l1*cs))
	be.PutUint64(f[48:], uint64(cs))
	be.PutUint32(f[56:], uint32(rt))
	be.PutUint32(f[96:], 4)
	be.PutUint32(f[100:], 104)
	for i := range rb {
		be.PutUint64(f[cs+8*i:], uint64((1+rt+i)*cs))
	}
	for i := range total {
		be.PutUint16(f[(1+rt)*cs+2*i:], 1)
	}
	next := l1 + l1c
	l2at := map[int]int{}
	for i := range l1n {
		if touched[i] {
			l2at[i] = next * cs
			be.PutUint64(f[l1*cs+8*i:], uint64(next*cs)|1<<63)
			next++
		}
	}
	for _, u := range used {
		be.PutUint64(f[l2at[u/per]+8*(u%per):], uint64(next*cs)|1<<63)
		copy(f[next*cs:], padded(disk, u*cs, cs))
		next++
	}
	im := Image{Bytes: f}
	im.Slack = append(im.Slack, [2]int{l1*cs + 8*l1n, (l1 + l1c) * cs})
	return im
}
