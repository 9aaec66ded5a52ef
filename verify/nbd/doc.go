// Package nbd is a client of the network block device protocol: it reads and
// writes the disk that a server such as qemu-nbd exports. It speaks what such
// servers have in common (fixed newstyle handshake, NBD_OPT_GO, simple replies)
// and no TLS. No kernel device is involved.
//
// The source of all numbers is doc/proto.md of NetworkBlockDevice/nbd.
package nbd

// The magic numbers of the protocol.
const (
	magicServer  = 0x4e42444d41474943
	magicOption  = 0x49484156454f5054
	magicReply   = 0x3e889045565a9 // to an option
	magicRequest = 0x25609513
	magicSimple  = 0x67446698
)

// Flags of the handshake; the client's have the same values.
const (
	flagFixedNewstyle = 1 << 0
	flagNoZeroes      = 1 << 1
)

// Options, kinds of replies and of information.
const (
	optGo = 7

	repAck      = 1
	repInfo     = 3
	repError    = 1 << 31
	errUnsup    = repError + 1
	errPolicy   = repError + 2
	errTLS      = repError + 5
	errUnknown  = repError + 6
	errShutdown = repError + 7

	infoExport    = 0
	infoBlockSize = 3
)

// Flags of an export.
const (
	exportReadOnly    = 1 << 1
	exportFlush       = 1 << 2
	exportWriteZeroes = 1 << 6
)

// Requests.
const (
	cmdRead        = 0
	cmdWrite       = 1
	cmdDisconnect  = 2
	cmdFlush       = 3
	cmdWriteZeroes = 6
)

const (
	// maxName is the longest string that the protocol has, in bytes.
	maxName = 4096
	// maxReply bounds an option's reply: a hostile server must not balloon us.
	maxReply = 64 << 10
	// maxBlock is the largest minimum block size that the protocol allows.
	maxBlock = 64 << 10
	// maxRequest is how much one request carries, in bytes, at most; servers that
	// name no limit take 32 MiB.
	maxRequest = 1 << 20
	// maxZero is how much one request zeroes, in bytes, at most.
	maxZero = 32 << 20
)
