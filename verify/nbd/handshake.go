package nbd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// export is what a server says of the disk.
type export struct {
	size  int64
	flags uint16
	// block is the smallest unit of requests, most the largest request, in bytes.
	block, most int64
}

// handshake chooses the export on a fresh connection.
func handshake(c io.ReadWriter, name string) (export, error) {
	var hello [18]byte
	if _, err := io.ReadFull(c, hello[:]); err != nil {
		return export{}, fmt.Errorf("waiting for the server's greeting: %w", err)
	}
	if binary.BigEndian.Uint64(hello[:]) != magicServer {
		return export{}, errors.New("what answers is no NBD server")
	}
	flags := binary.BigEndian.Uint16(hello[16:])
	if binary.BigEndian.Uint64(hello[8:]) != magicOption || flags&flagFixedNewstyle == 0 {
		return export{}, errors.New("the NBD server speaks an old protocol (not fixed newstyle)")
	}

	b := binary.BigEndian.AppendUint32(nil, flagFixedNewstyle|uint32(flags&flagNoZeroes))
	b = binary.BigEndian.AppendUint64(b, magicOption)
	b = binary.BigEndian.AppendUint32(b, optGo)
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(name)+2+2))
	b = binary.BigEndian.AppendUint32(b, uint32(len(name)))
	b = append(b, name...)
	b = binary.BigEndian.AppendUint16(b, 1) // one kind of information: who asks for it promises to heed it
	b = binary.BigEndian.AppendUint16(b, infoBlockSize)
	if _, err := c.Write(b); err != nil {
		return export{}, err
	}

	e := export{size: -1, block: 1, most: maxRequest}
	for range 64 { // a server that never ends its answer
		kind, data, err := optionReply(c)
		if err != nil {
			return export{}, err
		}
		switch {
		case kind == repAck && e.size < 0:
			return export{}, errors.New("the server does not say how large the export is")
		case kind == repAck:
			return e, nil
		case kind == repInfo:
			if err := e.info(data); err != nil {
				return export{}, err
			}
		case kind&repError != 0:
			return export{}, refusal(kind, name, data)
		}
	}
	return export{}, errors.New("the server's answer has no end")
}

func optionReply(r io.Reader) (kind uint32, data []byte, err error) {
	var h [20]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, nil, fmt.Errorf("waiting for the server's answer: %w", err)
	}
	n := binary.BigEndian.Uint32(h[16:])
	if binary.BigEndian.Uint64(h[:]) != magicReply || binary.BigEndian.Uint32(h[8:]) != optGo || n > maxReply {
		return 0, nil, errors.New("the server's answer to NBD_OPT_GO is not one")
	}
	data = make([]byte, n)
	_, err = io.ReadFull(r, data)
	return binary.BigEndian.Uint32(h[12:]), data, err
}

// info takes one piece of information about the export.
func (e *export) info(data []byte) error {
	if len(data) < 2 {
		return errors.New("the server's description of the export is cut short")
	}
	kind, data := binary.BigEndian.Uint16(data), data[2:]
	switch {
	case kind == infoExport && len(data) == 10:
		size := binary.BigEndian.Uint64(data)
		if size > 1<<63-1 {
			return fmt.Errorf("the export's size, %d, is impossible", size)
		}
		e.size, e.flags = int64(size), binary.BigEndian.Uint16(data[8:])
	case kind == infoBlockSize && len(data) == 12:
		e.block = int64(binary.BigEndian.Uint32(data))
		most := int64(binary.BigEndian.Uint32(data[8:]))
		if e.block < 1 || e.block > maxBlock || e.block&(e.block-1) != 0 || most < e.block {
			return fmt.Errorf("the server's block sizes, %d to %d, are impossible", e.block, most)
		}
		e.most = min(maxRequest, most/e.block*e.block)
	case kind == infoExport || kind == infoBlockSize:
		return errors.New("the server's description of the export has a wrong length")
	}
	return nil
}

// refusal is the server's no, in words; data is its own text.
func refusal(kind uint32, name string, data []byte) error {
	why := fmt.Sprintf("error %#x", kind)
	switch kind {
	case errUnsup:
		why = "it does not know NBD_OPT_GO; use qemu-nbd 2.10 or later"
	case errPolicy:
		why = "its policy forbids it"
	case errTLS:
		why = "it wants TLS, which is not supported"
	case errUnknown:
		why = fmt.Sprintf("it has no export %q", name)
	case errShutdown:
		why = "it is shutting down"
	}
	if len(data) > 0 {
		why += fmt.Sprintf(": %q", data[:min(len(data), 200)])
	}
	return errors.New("the NBD server refuses: " + why)
}
