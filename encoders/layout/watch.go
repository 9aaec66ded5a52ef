package layout

import "io"

// Watcher is a view that takes note of what is read through it, which a Reader
// serves, so that a checksum of all of it costs no second pass when it is asked for
// last.
type Watcher interface {
	io.ReaderAt
	// Sum gives the bytes of the segment. What was not read yet is read now.
	Sum() ([]byte, error)
}

// Follower is a Watcher that computes its sum from the file rather than from the
// device, and so is told by the Reader what of the file was read.
type Follower interface {
	Watcher
	// Served says that the file has the bytes p from off on. It is called segment by
	// segment, so that a read that ends in the sum has told of all that lies before it;
	// concurrently, in no order, perhaps twice for the same bytes, and never for those
	// of the sum. p is the caller's again afterwards.
	Served(p []byte, off int64)
}
