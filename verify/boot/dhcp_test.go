package boot

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"
)

// recorded is what a guest and QEMU's DHCP server said to each other: discover, offer,
// request, acknowledgement, among other packets.
func recorded(tb testing.TB) []byte {
	b, err := os.ReadFile("testdata/dhcp.pcap")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestPackets(t *testing.T) {
	b := recorded(t)
	for _, n := range []int{1, 13, len(b)} {
		var p packets
		for piece := range slices.Chunk(b, n) {
			p.feed(piece)
		}
		if p.broken || len(p.have) != 0 || p.sent == 0 || p.Address.String() != "10.0.2.15" {
			t.Errorf("in pieces of %d: %v, broken %v, %d bytes left", n, p.Address, p.broken, len(p.have))
		}
	}
	var p packets
	p.feed([]byte("this is no file of packets"))
	if !p.broken || p.Address.IsValid() {
		t.Errorf("%+v", p)
	}
	p = packets{}
	p.feed(slices.Concat(b[:pcapHeader], []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}))
	if !p.broken {
		t.Error("a frame of 4 GiB is waited for")
	}
}

// dhcpFrame is a reply of a DHCP server with options.
func dhcpFrame(options ...byte) []byte {
	f := make([]byte, 14+20+8+240)
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	ip := f[14:]
	ip[0], ip[9] = 0x45, 17
	binary.BigEndian.PutUint16(ip[20:], 67)
	binary.BigEndian.PutUint16(ip[22:], 68)
	m := ip[28:]
	m[0] = 2
	copy(m[16:], []byte{192, 0, 2, 7})
	binary.BigEndian.PutUint32(m[236:], 0x63825363)
	return append(f, options...)
}

func TestAcknowledged(t *testing.T) {
	change := func(at int, to byte) []byte {
		f := dhcpFrame(53, 1, 5, 255)
		f[at] = to
		return f
	}
	for _, c := range []struct {
		name  string
		frame []byte
		ok    bool
	}{
		{"acknowledgement", dhcpFrame(53, 1, 5, 255), true},
		{"behind padding and others", dhcpFrame(0, 0, 54, 4, 1, 2, 3, 4, 53, 1, 5), true},
		{"offer", dhcpFrame(53, 1, 2, 255), false},
		{"refusal", dhcpFrame(53, 1, 6, 255), false},
		{"no option", dhcpFrame(255, 53, 1, 5), false},
		{"cut option", dhcpFrame(53, 9, 5), false},
		{"BOOTP", dhcpFrame(), false},
		{"IPv6", change(12, 0x86), false},
		{"TCP", change(14+9, 6), false},
		{"a header that is longer than the packet", change(14, 0x4f)[:14+50], false},
		{"to a server", change(14+23, 67), false},
		{"a request", change(14+28, 1), false},
		{"another cookie", change(14+28+236, 0), false},
		{"short", dhcpFrame(53, 1, 5)[:14+19], false},
		{"nothing", nil, false},
	} {
		a, ok := acknowledged(c.frame)
		if ok != c.ok || ok && a.String() != "192.0.2.7" {
			t.Errorf("%s: %v, %v", c.name, a, ok)
		}
	}
}

func FuzzPackets(f *testing.F) {
	f.Add(recorded(f), 7)
	f.Add(slices.Concat(recorded(f)[:pcapHeader+8], []byte{6, 0, 0, 0, 6, 0, 0, 0}), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		var whole, p packets
		whole.feed(b)
		for piece := range slices.Chunk(b, max(1, n)) {
			p.feed(piece)
		}
		if whole.Address != p.Address || whole.broken != p.broken {
			t.Errorf("%+v, in pieces %+v", whole, p)
		}
	})
}
