package boot

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

const (
	pcapMagic  = 0xa1b2c3d4 // little-endian, microseconds (pcap-savefile(5))
	pcapHeader = 24
	pcapRecord = 16
	// longestFrame bounds a record: QEMU was told to cut frames.
	longestFrame = 64 << 10
)

// packets reads a pcap stream in pieces, counts what the guest sent, and finds the
// address that a DHCP server gave.
type packets struct {
	have    []byte // of what is not complete
	begun   bool
	broken  bool // no pcap: nothing is read any more
	sent    int  // frames of the guest's
	Address netip.Addr
}

// host begins the source addresses of QEMU's own frames (libslirp, slirp.h,
// special_ethaddr). It asks for the guest when a connection is forwarded to it, whether
// anything runs there or not.
var host = []byte{0x52, 0x55}

// feed takes bytes.
func (p *packets) feed(b []byte) {
	if p.broken {
		return
	}
	p.have = append(p.have, b...)
	if !p.begun {
		if len(p.have) < pcapHeader {
			return
		}
		if binary.LittleEndian.Uint32(p.have) != pcapMagic {
			p.broken = true
			return
		}
		p.begun, p.have = true, p.have[pcapHeader:]
	}
	for len(p.have) >= pcapRecord {
		n := int(binary.LittleEndian.Uint32(p.have[8:]))
		if n > longestFrame {
			p.broken = true
			return
		}
		if len(p.have) < pcapRecord+n {
			break
		}
		frame := p.have[pcapRecord : pcapRecord+n]
		if len(frame) >= 12 && !bytes.HasPrefix(frame[6:], host) {
			p.sent++
		}
		if a, ok := acknowledged(frame); ok {
			p.Address = a
		}
		p.have = p.have[pcapRecord+n:]
	}
	p.have = append([]byte(nil), p.have...) // lets go of what was read
}

// acknowledged is the address in a DHCPACK (RFC 2131, section 2; RFC 2132, option 53)
// in an Ethernet frame with IPv4 and UDP.
func acknowledged(frame []byte) (a netip.Addr, ok bool) {
	const ethernet, udpHeader = 14, 8
	if len(frame) < ethernet+20 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 {
		return a, false
	}
	ip := frame[ethernet:]
	header := int(ip[0]&0xf) * 4
	if ip[0]>>4 != 4 || header < 20 || ip[9] != 17 || len(ip) < header+udpHeader {
		return a, false
	}
	udp := ip[header:]
	if binary.BigEndian.Uint16(udp) != 67 || binary.BigEndian.Uint16(udp[2:]) != 68 {
		return a, false
	}
	m := udp[udpHeader:]
	const cookie = 236 // where the options begin, behind their magic number
	if len(m) < cookie+4 || m[0] != 2 || binary.BigEndian.Uint32(m[cookie:]) != 0x63825363 {
		return a, false
	}
	for o := m[cookie+4:]; len(o) >= 2 && o[0] != 255; {
		if o[0] == 0 { // padding has no length
			o = o[1:]
			continue
		}
		n := int(o[1])
		if len(o) < 2+n {
			break
		}
		if o[0] == 53 && n == 1 {
			return netip.AddrFrom4([4]byte(m[16:20])), o[2] == 5
		}
		o = o[2+n:]
	}
	return a, false
}
