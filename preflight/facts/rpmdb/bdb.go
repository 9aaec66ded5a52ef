package rpmdb

import (
	"encoding/binary"
	"fmt"
)

// Berkeley DB's pages: libdb 5.3, src/dbinc/db_page.h. Packages is a hash table
// from a number to a header. Which bucket a page belongs to does not matter for
// reading all: the pages are taken one after the other.
const (
	bdbHashMagic = 0x061561

	bdbPageHeader   = 26
	bdbHashUnsorted = 2 // P_HASH_UNSORTED, before 4.6
	bdbOverflow     = 7
	bdbHashMeta     = 8
	bdbHash         = 13

	bdbKeyData = 1  // H_KEYDATA: the item itself
	bdbOffPage = 3  // H_OFFPAGE: it is in a chain of overflow pages
	bdbOffSize = 12 // of such a reference
)

// bdbOrder is the byte order of a hash database, nil for anything else.
func bdbOrder(head []byte) binary.ByteOrder {
	if len(head) < 512 || head[24] != 0 || head[25] != bdbHashMeta { // not encrypted
		return nil
	}
	for _, o := range []binary.ByteOrder{le, be} {
		if o.Uint32(head[12:]) == bdbHashMagic {
			return o
		}
	}
	return nil
}

type bdb struct {
	r     *reader
	o     binary.ByteOrder
	page  int64 // size of a page, in bytes
	pages int64
	add   func(blob) error
}

func readBDB(r *reader, head []byte, add func(blob) error) error {
	d := &bdb{r: r, o: bdbOrder(head), add: add}
	d.page = int64(d.o.Uint32(head[20:]))
	if d.page < 512 || d.page > 64<<10 || d.page&(d.page-1) != 0 {
		return fmt.Errorf("pages of %d bytes", d.page)
	}
	d.pages = int64(d.o.Uint32(head[32:])) + 1
	if d.pages > r.size/d.page {
		return fmt.Errorf("%d pages in %d bytes: it is cut off", d.pages, r.size)
	}
	b := make([]byte, d.page)
	for n := int64(1); n < d.pages; n++ {
		if err := r.full(b, n*d.page); err != nil {
			return err
		}
		if t := b[25]; t != bdbHash && t != bdbHashUnsorted {
			continue
		}
		if err := d.hashPage(n, b); err != nil {
			return fmt.Errorf("page %d: %w", n, err)
		}
	}
	return nil
}

// hashPage takes the values of a page: items alternate between key and value,
// and an array of their offsets follows the page's header.
func (d *bdb) hashPage(n int64, b []byte) error {
	items := int64(d.o.Uint16(b[20:]))
	if items%2 != 0 || bdbPageHeader+2*items > d.page {
		return fmt.Errorf("%d items", items)
	}
	at := func(i int64) int64 { return int64(d.o.Uint16(b[bdbPageHeader+2*i:])) }
	for i := int64(1); i < items; i += 2 {
		off, end := at(i), at(i-1)
		if off < bdbPageHeader+2*items || off >= end || end > d.page {
			return fmt.Errorf("item %d is at %d to %d", i, off, end)
		}
		item := b[off:end]
		switch {
		case item[0] == bdbOffPage && len(item) >= bdbOffSize:
			first, size := int64(d.o.Uint32(item[4:])), int64(d.o.Uint32(item[8:]))
			if err := d.add(blob{size, func(n int64) ([]byte, error) { return d.chain(first, n) }}); err != nil {
				return err
			}
		case item[0] == bdbKeyData && len(item) > 1+8: // shorter: the counter under key 0
			data := append([]byte{}, item[1:]...)
			if err := d.add(blob{int64(len(data)), func(n int64) ([]byte, error) { return data[:n], nil }}); err != nil {
				return err
			}
		case item[0] != bdbKeyData:
			return fmt.Errorf("item %d is of the kind %d", i, item[0])
		}
	}
	return nil
}

// chain reads the first n bytes of an item that lies in overflow pages.
func (d *bdb) chain(page, n int64) ([]byte, error) {
	var data []byte
	b := make([]byte, d.page)
	for int64(len(data)) < n {
		if page < 1 || page >= d.pages {
			return nil, fmt.Errorf("page %d of %d is to follow", page, d.pages)
		}
		if err := d.r.full(b, page*d.page); err != nil {
			return nil, err
		}
		used := int64(d.o.Uint16(b[22:])) // OV_LEN
		if b[25] != bdbOverflow || used == 0 || used > d.page-bdbPageHeader {
			return nil, fmt.Errorf("page %d is no overflow page with data", page)
		}
		data = append(data, b[bdbPageHeader:bdbPageHeader+used]...)
		page = int64(d.o.Uint32(b[16:]))
	}
	return data[:n], nil
}
