// Package swap finds the free space of Linux swap areas: all of it but the
// header page, unless the machine is hibernated into it.
//
// The header (kernel, union swap_header in include/linux/swap.h) takes the
// first page of the area, whose size is that of the machine that made it:
//
//	0           1024 bytes left to boot loaders and disk labels
//	1024        version, 32 bits: 1
//	1028        last_page, 32 bits: the number of the last page
//	1032        nr_badpages, 32 bits
//	1036        uuid[16]
//	1052        label[16]
//	page - 10   "SWAPSPACE2"
//
// Integers are in the byte order of the machine that made it.
package swap

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"migimg/blockmap"
)

// Scanner reads swap areas of version 1 at page sizes from 4 to 64 KiB. Its
// zero value is ready; it has no state.
type Scanner struct{}

var _ blockmap.Scanner = Scanner{}

const (
	minPage = 4 << 10
	maxPage = 64 << 10
	// minArea is the smallest area that libblkid takes for swap, in pages of 4
	// KiB (util-linux, libblkid/src/superblocks/swap.c).
	minArea = 10 * minPage
)

// hibernated is what the last bytes of the first page say while it is an image
// of the machine's memory: swsusp and uswsusp in their generations, as libblkid
// knows them (same file).
var hibernated = []string{"S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001"}

// tuxOnIce stands at the area's first byte; the swap signature stays in place.
const tuxOnIce = "\xed\xc3\x02\xe9\x98\x56\xe5\x0c"

const hibernation = "hibernation image: it is carried, and the copy will resume from it; start the machine normally and shut it down before copying, unless that is wanted"

// Name is "swap".
func (Scanner) Name() string { return "swap" }

// Probe looks for a swap signature. A hibernation image is an error, so that
// the area is carried whole with this reason whatever other signatures it has.
func (Scanner) Probe(v blockmap.Volume) error {
	h, err := read(v)
	switch {
	case err != nil:
		return err
	case h.hibernated:
		return fmt.Errorf("swap: %s", hibernation)
	}
	return nil
}

// Scan frees everything behind the header page, up to the end of the area that
// the header declares.
func (Scanner) Scan(_ context.Context, v blockmap.Volume, s blockmap.Sink) (blockmap.Report, error) {
	h, err := read(v)
	if err != nil {
		return blockmap.Report{}, err
	}
	r := blockmap.Report{Type: "swap", BlockSize: h.minPage}
	if h.hibernated {
		r.Type, r.Whole = "swsuspend", hibernation
		return r, nil
	}
	if h.old {
		r.Whole = "swap area of version 0, which no kernel since 2.6 uses: run mkswap"
		return r, nil
	}
	order, why := h.check(v.Size())
	if why != "" {
		r.Whole = why
		return r, nil
	}
	r.UUID, r.Label = h.identity()
	end := (int64(order.Uint32(h.b[1028:])) + 1) * h.minPage
	return r, s.Free(h.maxPage, end-h.maxPage)
}

// header is the first 64 KiB of an area, or what there is of it.
type header struct {
	b                []byte
	minPage, maxPage int64 // bytes; they differ where a signature of old is left
	old, hibernated  bool
}

// read finds the signatures, or answers blockmap.ErrNotMine.
func read(v blockmap.Volume) (*header, error) {
	if v.Size() < minArea {
		return nil, blockmap.ErrNotMine
	}
	h := &header{b: make([]byte, min(maxPage, v.Size()))}
	if err := blockmap.ReadFull(v, h.b, 0); err != nil {
		return nil, fmt.Errorf("swap: header at byte 0: %w", err)
	}
	h.hibernated = strings.HasPrefix(string(h.b[:len(tuxOnIce)]), tuxOnIce)
	found := h.hibernated
	for page := int64(minPage); page <= int64(len(h.b)); page *= 2 {
		sig := string(h.b[page-10 : page])
		switch {
		case sig == "SWAPSPACE2":
			if h.minPage == 0 {
				h.minPage = page
			}
			h.maxPage = page
		case sig == "SWAP-SPACE":
			h.old = true
		default:
			for _, s := range hibernated {
				h.hibernated = h.hibernated || strings.HasPrefix(sig, s)
			}
		}
		found = found || h.minPage > 0 || h.old || h.hibernated
	}
	if !found {
		return nil, blockmap.ErrNotMine
	}
	return h, nil
}

// check finds the byte order and says why the area cannot be understood. size
// is the volume's.
func (h *header) check(size int64) (binary.ByteOrder, string) {
	var order binary.ByteOrder = binary.LittleEndian
	if binary.BigEndian.Uint32(h.b[1024:]) == 1 {
		order = binary.BigEndian
	}
	if n := order.Uint32(h.b[1024:]); n != 1 {
		return nil, fmt.Sprintf("swap area of version %d, which is not known", n)
	}
	last := int64(order.Uint32(h.b[1028:]))
	switch end := (last + 1) * h.minPage; {
	case last == 0 || end <= h.maxPage:
		return nil, fmt.Sprintf("the swap area's last page is %d: run mkswap", last)
	case end > size:
		return nil, fmt.Sprintf("the swap area has %d bytes, the volume only %d", end, size)
	}
	return order, ""
}

// identity is the area's UUID and label, as blkid prints them: where mkswap of
// old left garbage in their place, there is garbage behind them too.
func (h *header) identity() (uuid, label string) {
	if binary.LittleEndian.Uint64(h.b[1068+32*4:]) != 0 {
		return "", ""
	}
	u := h.b[1036:1052]
	if strings.Trim(string(u), "\x00") != "" {
		uuid = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	}
	label, _, _ = strings.Cut(string(h.b[1052:1068]), "\x00")
	return uuid, strings.TrimRight(label, " \t\n")
}
