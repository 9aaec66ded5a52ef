package nbd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// handshakeTime is how long a server that somebody runs may take to answer.
const handshakeTime = 30 * time.Second

// Client is a connection to one export. It is safe for concurrent use. After the
// connection was lost every call fails, and says why.
type Client struct {
	conn net.Conn
	exp  export
	stop func() bool // ends the watch over the context

	send sync.Mutex // one request at a time goes out whole

	// edge is held for a request that is no whole number of the server's blocks:
	// nobody else may write in those meanwhile.
	edge sync.RWMutex

	mu      sync.Mutex
	pending map[uint64]*call
	next    uint64
	lost    error         // why the connection is of no use any more
	over    func() error  // why the context has ended, if it has
	ended   chan struct{} // closed when the receiving goroutine has gone
}

// call is a request under way.
type call struct {
	data []byte // of a read: where the answer goes
	err  error
	done chan struct{}
}

// Dial connects to the export at address (see [IsAddress]). The context holds for
// the client's whole life: when it ends the connection does, and so does every
// call that waits.
func Dial(ctx context.Context, address string) (*Client, error) {
	network, addr, name, err := parse(address)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{Timeout: handshakeTime}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	c, err := NewClient(ctx, conn, name, handshakeTime)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return c, nil
}

// NewClient chooses an export on a connection to a server, which is the client's
// from then on. patience is how long the server may take to answer.
func NewClient(ctx context.Context, conn net.Conn, name string, patience time.Duration) (*Client, error) {
	c := &Client{conn: conn, pending: map[uint64]*call{}, ended: make(chan struct{}), over: func() error { return context.Cause(ctx) }}
	c.stop = context.AfterFunc(ctx, func() { c.fail(context.Cause(ctx)) })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	var err error
	if c.exp, err = handshake(conn, name); err != nil {
		c.stop()
		return nil, errors.Join(ctx.Err(), err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	go c.receive()
	return c, nil
}

// Size is the export's size in bytes.
func (c *Client) Size() int64 { return c.exp.size }

// ReadOnly says that the server takes no writes.
func (c *Client) ReadOnly() bool { return c.exp.flags&exportReadOnly != 0 }

// CanFlush says that the server can be told to make what was written stable.
// Without it nobody knows when it is.
func (c *Client) CanFlush() bool { return c.exp.flags&exportFlush != 0 }

// fail ends the connection; the first reason counts. The end of the context is one
// before any other: it may have ended the server, too, and that be seen sooner.
func (c *Client) fail(err error) {
	if why := c.over(); why != nil {
		err = why
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost == nil {
		c.lost = err
	}
	for h, p := range c.pending {
		if p.data == nil { // a read's memory may still be written to: receive ends it
			p.err = c.lost
			close(p.done)
			delete(c.pending, h)
		}
	}
	_ = c.conn.Close() // what was under way ends with an error of its own
}

// receive takes the server's replies until the connection ends.
func (c *Client) receive() {
	defer close(c.ended)
	err := c.replies()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the NBD server has closed the connection")
	}
	c.fail(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	for h, p := range c.pending {
		p.err = c.lost
		close(p.done)
		delete(c.pending, h)
	}
}

func (c *Client) replies() error {
	for {
		var h [16]byte
		if _, err := io.ReadFull(c.conn, h[:]); err != nil {
			return err
		}
		if binary.BigEndian.Uint32(h[:]) != magicSimple {
			return errors.New("what the NBD server sends is no reply")
		}
		handle := binary.BigEndian.Uint64(h[8:])
		c.mu.Lock()
		p := c.pending[handle]
		c.mu.Unlock()
		if p == nil {
			return errors.New("the NBD server replies to what nobody asked")
		}
		var failed error
		if e := binary.BigEndian.Uint32(h[4:]); e != 0 {
			// The protocol's numbers are Linux's.
			failed = os.NewSyscallError("the NBD server", syscall.Errno(e))
		} else if _, err := io.ReadFull(c.conn, p.data); err != nil {
			return err
		}
		c.mu.Lock()
		if c.pending[handle] == p { // else the connection was given up meanwhile
			delete(c.pending, handle)
			p.err = failed
			close(p.done)
		}
		c.mu.Unlock()
	}
}

// request sends a request and waits for its reply. n is the length that the
// server is told; out goes with it, in takes the answer's bytes.
func (c *Client) request(cmd uint16, off, n int64, out, in []byte) error {
	p := &call{data: in, done: make(chan struct{})}
	c.mu.Lock()
	if c.lost != nil {
		defer c.mu.Unlock()
		return c.lost
	}
	handle := c.next
	c.next++
	c.pending[handle] = p
	c.mu.Unlock()
	if err := c.write(cmd, handle, off, n, out); err != nil {
		c.fail(fmt.Errorf("writing to the NBD server: %w", err))
	}
	<-p.done
	return p.err
}

func (c *Client) write(cmd uint16, handle uint64, off, n int64, out []byte) error {
	h := binary.BigEndian.AppendUint32(nil, magicRequest)
	h = binary.BigEndian.AppendUint16(h, 0)
	h = binary.BigEndian.AppendUint16(h, cmd)
	h = binary.BigEndian.AppendUint64(h, handle)
	h = binary.BigEndian.AppendUint64(h, uint64(off))
	h = binary.BigEndian.AppendUint32(h, uint32(n))
	c.send.Lock()
	defer c.send.Unlock()
	b := net.Buffers{h, out}
	_, err := b.WriteTo(c.conn)
	return err
}

// Close takes leave of the server. What was not flushed may be lost if the
// machine crashes, not otherwise.
func (c *Client) Close() error {
	c.stop()
	c.mu.Lock()
	lost := c.lost
	c.mu.Unlock()
	if lost == nil {
		// There is no reply: the server closes the connection.
		lost = c.write(cmdDisconnect, 0, 0, 0, nil)
		if lost == nil {
			_ = c.conn.SetReadDeadline(time.Now().Add(handshakeTime)) // else its end is waited for in vain
			<-c.ended
		}
	}
	c.fail(net.ErrClosed)
	<-c.ended
	return lost
}
