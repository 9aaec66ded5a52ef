package nbd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ address, network, addr, export, fails string }{
		{"nbd://host/disk", "tcp", "host:10809", "disk", ""},
		{"nbd://[::1]:99", "tcp", "[::1]:99", "", ""},
		{"nbd+unix:///a%20b?socket=/run/s", "unix", "/run/s", "a b", ""},
		{"nbd+unix:///?socket=/run/s", "unix", "/run/s", "", ""},
		{"nbds://host/disk", "", "", "", "TLS"},
		{"nbd+unix:///disk", "", "", "", "write nbd://"},
		{"nbd:///disk", "", "", "", "write nbd://"},
		{"nbd://h/" + strings.Repeat("x", 5000), "", "", "", "longer"},
		{"nbd://h:%zz", "", "", "", "h:%zz"},
	} {
		network, addr, export, err := parse(c.address)
		if network != c.network || addr != c.addr || export != c.export {
			t.Errorf("%s: %s %s %q", c.address, network, addr, export)
		}
		if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v, want %q", c.address, err, c.fails)
		}
		if !IsAddress(c.address) {
			t.Errorf("%s is an address", c.address)
		}
	}
	for _, s := range []string{"/mnt/nbd", "nbd", "./nbd:x"} {
		if IsAddress(s) {
			t.Errorf("%s is no address", s)
		}
	}
}

var be = binary.BigEndian

func greeting(flags uint16) []byte {
	b := be.AppendUint64(nil, magicServer)
	b = be.AppendUint64(b, magicOption)
	return be.AppendUint16(b, flags)
}

func optReply(kind uint32, data []byte) []byte {
	b := be.AppendUint64(nil, magicReply)
	b = be.AppendUint32(b, optGo)
	b = be.AppendUint32(b, kind)
	b = be.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

func exportInfo(size uint64, flags uint16) []byte {
	b := be.AppendUint16(nil, infoExport)
	b = be.AppendUint64(b, size)
	return optReply(repInfo, be.AppendUint16(b, flags))
}

func blockInfo(least, most uint32) []byte {
	b := be.AppendUint16(nil, infoBlockSize)
	b = be.AppendUint32(b, least)
	b = be.AppendUint32(b, 4096)
	return optReply(repInfo, be.AppendUint32(b, most))
}

// stream is a server that has said all it will say.
type stream struct{ io.Reader }

func (stream) Write(p []byte) (int, error) { return len(p), nil }

func TestHandshake(t *testing.T) {
	good := greeting(flagFixedNewstyle | flagNoZeroes)
	ack := optReply(repAck, nil)
	for name, c := range map[string]struct {
		server []byte
		want   export
		fails  string
	}{
		"good":       {bytes.Join([][]byte{good, exportInfo(1<<40, 5), blockInfo(512, 1<<25), ack}, nil), export{1 << 40, 5, 512, maxRequest}, ""},
		"no blocks":  {bytes.Join([][]byte{good, exportInfo(7, 5), ack}, nil), export{7, 5, 1, maxRequest}, ""},
		"small most": {bytes.Join([][]byte{good, exportInfo(7, 5), blockInfo(512, 70_000), ack}, nil), export{7, 5, 512, 69_632}, ""},
		"silent":     {nil, export{}, "greeting"},
		"http":       {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), export{}, "no NBD server"},
		"old":        {greeting(0), export{}, "old protocol"},
		"no size":    {append(good, ack...), export{}, "how large"},
		"refused":    {append(good, optReply(errUnknown, []byte("no\nsuch"))...), export{}, `no export "x": "no\nsuch"`},
		"tls":        {append(good, optReply(errTLS, nil)...), export{}, "TLS"},
		"size":       {bytes.Join([][]byte{good, exportInfo(1<<63, 5)}, nil), export{}, "impossible"},
		"blocks":     {bytes.Join([][]byte{good, blockInfo(3, 1<<20)}, nil), export{}, "impossible"},
		"huge":       {append(good, optReply(repInfo, make([]byte, maxReply+1))...), export{}, "is not one"},
		"endless":    {append(good, bytes.Repeat(exportInfo(1, 1), 100)...), export{}, "no end"},
	} {
		e, err := handshake(stream{bytes.NewReader(c.server)}, "x")
		if c.fails == "" {
			if err != nil || e != c.want {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v, want %q", name, err, c.fails)
		}
	}
}

// serveOnce is a server that greets and then answers by a function of the
// request's header; nil ends the connection.
func serveOnce(t *testing.T, answer func(h []byte) []byte) *Client {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		_, _ = theirs.Write(greeting(flagFixedNewstyle))
		_, _ = io.ReadFull(theirs, make([]byte, 4+8+4+4+4+2+2))
		_, _ = theirs.Write(bytes.Join([][]byte{exportInfo(1<<20, exportFlush|exportWriteZeroes), optReply(repAck, nil)}, nil))
		for {
			h := make([]byte, 28)
			if _, err := io.ReadFull(theirs, h); err != nil {
				return
			}
			if be.Uint16(h[6:]) == cmdWrite {
				_, _ = io.ReadFull(theirs, make([]byte, be.Uint32(h[24:])))
			}
			a := answer(h)
			if a == nil {
				return
			}
			_, _ = theirs.Write(a)
		}
	}()
	c, err := NewClient(t.Context(), ours, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func simple(h []byte, errno uint32, data int) []byte {
	b := be.AppendUint32(nil, magicSimple)
	b = be.AppendUint32(b, errno)
	b = append(b, h[8:16]...)
	return append(b, make([]byte, data)...)
}

func TestErrorsOfTheServer(t *testing.T) {
	c := serveOnce(t, func(h []byte) []byte { return simple(h, uint32(syscall.ENOSPC), 0) })
	for range 2 { // the connection stays usable
		if n, err := c.WriteAt(make([]byte, 512), 0); n != 0 || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%d, %v", n, err)
		}
	}
	if n, err := c.ReadAt(make([]byte, 512), 0); n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d, %v", n, err)
	}
	if err := errors.Join(c.Sync(), c.Zero(0, 512)); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

func TestConnectionLost(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(h []byte) []byte
		want   string
	}{
		"closed":  {func([]byte) []byte { return nil }, "closed the connection"},
		"garbage": {func([]byte) []byte { return make([]byte, 16) }, "no reply"},
		"other":   {func(h []byte) []byte { h[15]++; return simple(h, 0, 0) }, "nobody asked"},
	} {
		cl := serveOnce(t, c.answer)
		for range 2 { // from then on each call fails
			if _, err := cl.WriteAt(make([]byte, 512), 0); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := cl.ReadAt(make([]byte, 512), 0); err == nil {
			t.Errorf("%s: a read is no error", name)
		}
		if err := cl.Close(); err == nil {
			t.Errorf("%s: Close is no error", name)
		}
	}
}

func TestContextEndsWaiting(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := NewClient(ctx, ours, "", time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestBounds(t *testing.T) {
	c := serveOnce(t, func(h []byte) []byte { return simple(h, 0, int(be.Uint32(h[24:]))) })
	for _, r := range [][2]int64{{-1, 1}, {1 << 20, 1}, {1<<20 - 1, 2}, {1<<63 - 1, 1}} {
		if _, err := c.WriteAt(make([]byte, r[1]), r[0]); err == nil {
			t.Errorf("a write of %d at %d is no error", r[1], r[0])
		}
		if err := c.Zero(r[0], r[1]); err == nil {
			t.Errorf("zeroing %d at %d is no error", r[1], r[0])
		}
	}
	if n, err := c.ReadAt(make([]byte, 10), 1<<20-4); n != 4 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

// FuzzServer lets a hostile server say anything.
func FuzzServer(f *testing.F) {
	f.Add(bytes.Join([][]byte{greeting(3), exportInfo(1<<20, 5), blockInfo(512, 1<<20), optReply(repAck, nil), simple(make([]byte, 28), 0, 512)}, nil))
	f.Add(bytes.Join([][]byte{greeting(3), exportInfo(1<<20, 5), optReply(repAck, nil), simple(make([]byte, 28), 5, 0)}, nil))
	f.Add(append(greeting(1), optReply(errUnknown, []byte("x"))...))
	f.Fuzz(func(t *testing.T, said []byte) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		go func() { _, _ = theirs.Write(said); theirs.Close() }()
		c, err := NewClient(t.Context(), ours, "", time.Second)
		if err != nil {
			ours.Close()
			return
		}
		_, _ = c.ReadAt(make([]byte, 512), 0)
		_, _ = c.WriteAt(make([]byte, 512), 0)
		_ = c.Close()
	})
}
