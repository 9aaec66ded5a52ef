package ova_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/layout"
	"migimg/encoders/ova"
	"migimg/verify/decoder"
	check "migimg/verify/ova"
)

const (
	mib   = 1 << 20
	apart = 64 * mib // of the disks in the view
)

// disks are of 1, 2, 3 ... MiB, each with every other 64 KiB carried, and the view that
// has them.
func disks(t *testing.T, n int) (list []encoders.Contained, view []byte) {
	t.Helper()
	enc := ova.Encoder{}
	view = make([]byte, int64(n)*apart)
	for i := range n {
		size := int64(i+1) * mib
		m, err := blockmap.FromRanges(size, 64<<10, func(yield func(blockmap.Range) bool) {
			for off := int64(i%2) << 16; off < size; off += 128 << 10 {
				if !yield(blockmap.Range{Off: off, Len: 64 << 10}) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		at := int64(i) * apart
		for r := range m.Ranges(0, size) {
			_, _ = rand.NewChaCha8([32]byte{byte(i), byte(r.Off >> 16)}).Read(view[at+r.Off : at+r.End()])
		}
		d := encoders.Disk{Map: m, Identity: [32]byte{byte(i)}}
		out, err := enc.Inner(i).Plan(d, encoders.Options{})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, encoders.Contained{Disk: d, File: out[0], At: at})
	}
	return list, view
}

// TestMachine reads a machine of nine disks back, as many as make the controller's own
// place matter.
func TestMachine(t *testing.T) {
	list, view := disks(t, 9)
	outs, err := ova.Encoder{}.Contain(list, encoders.Options{Firmware: encoders.UEFI})
	if err != nil || len(outs) != 1 || outs[0].Path != "machine.ova" || outs[0].VirtualSize != 45*mib {
		t.Fatalf("%+v, %v", outs, err)
	}
	l := outs[0].Layout
	b := make([]byte, l.Size())
	if n, err := layout.NewReader(l, bytes.NewReader(view)).ReadAt(b, 0); int64(n) != l.Size() || err != nil && err != io.EOF {
		t.Fatal(n, err)
	}
	// In another order, the sums are the same.
	again := make([]byte, len(b))
	r := layout.NewReader(l, bytes.NewReader(view))
	for off := (len(b) - 1) / 100000 * 100000; off >= 0; off -= 100000 {
		p := again[off:min(off+100000, len(b))]
		if n, err := r.ReadAt(p, int64(off)); n < len(p) {
			t.Fatal(n, err)
		}
	}
	if !bytes.Equal(b, again) {
		t.Error("read backwards, the archive is another one")
	}
	ps := &decoder.Problems{}
	d, summary, err := check.Open(context.Background(), decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, ps)
	if err != nil || d == nil || len(ps.List()) > 0 || !strings.Contains(summary, "firmware efi") {
		t.Fatalf("%q %v %v", summary, err, ps.List())
	}
	all := d.(decoder.Several).Disks()
	if len(all) != len(list) {
		t.Fatalf("%d disks", len(all))
	}
	for i, x := range all {
		got := make([]byte, x.Size())
		if n, err := x.ReadAt(got, 0); int64(n) < x.Size() || err != nil && err != io.EOF {
			t.Fatal(n, err)
		}
		if at := int64(i) * apart; !bytes.Equal(got, view[at:at+int64(i+1)*mib]) {
			t.Errorf("disk %d has other bytes", i+1)
		}
	}
	places := bytes.Split(b, []byte("<rasd:AddressOnParent>"))[1:]
	var at []string
	for _, p := range places {
		at = append(at, string(p[:bytes.IndexByte(p, '<')]))
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6", "8", "9", "7"}; !slices.Equal(at, want) { // the last is the network's
		t.Errorf("places %v, must be %v", at, want)
	}
	// A flipped bit in any disk is found.
	for i := range list {
		c := bytes.Clone(b)
		at := bytes.Index(c, []byte(fmt.Sprintf("disk%d.vmdk\x00", i+1)))
		c[at+512+len(view)/len(list)/1000] ^= 1
		ps := &decoder.Problems{}
		if _, _, err := check.Open(context.Background(), decoder.File{R: bytes.NewReader(c), Size: int64(len(c))}, ps); err != nil || ps.Count(decoder.Fail) == 0 {
			t.Errorf("disk %d: a flipped bit: %v, %v", i+1, err, ps.List())
		}
	}
}

func TestMachineLimit(t *testing.T) {
	list, _ := disks(t, 16)
	if _, err := (ova.Encoder{}).Contain(list, encoders.Options{}); !errors.Is(err, encoders.ErrLimit) {
		t.Errorf("16 disks: %v", err)
	}
	if _, err := (ova.Encoder{}).Contain(list[:15], encoders.Options{}); err != nil {
		t.Errorf("15 disks: %v", err)
	}
}
