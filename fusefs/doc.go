// Package fusefs shows planned image files, and documents about them, as a
// read-only directory. It knows files by size, time and an io.ReaderAt, and no
// image format by name.
//
// # Caching
//
// Image files are opened with FOPEN_DIRECT_IO: the kernel keeps no copy of what
// is served, so copying a disk leaves the server's page cache alone, and a
// large read(2) arrives as one request. Reading ahead is then this package's
// own work (readahead.go). sendfile(2) and memory mappings go through the page
// cache all the same: what a sequential reader has passed is dropped from there
// (dropbehind.go). For that reason, too, a read is answered in full or with an error and never
// short, except at the end of the file: the kernel takes a short answer for the
// end of the file and fills the page with zeros.
//
// Attributes of images are constant for the life of the mount and cached
// without limit. Documents are small; each open sees one version of them.
//
// # Known deadlocks
//
// The daemon must not touch its own mount, nor wait for anything that does. A
// mount over a directory of the filesystem that is being exported is fine while
// that filesystem is not frozen.
//
// # Readers
//
// Each handle counts what it has been given, by atomic additions alone (reader.go). Who
// it is read by is looked up in /proc when it is opened, and once more at its first read.
//
// # Locks
//
// Dropping pages waits for those that are being read. It is done by goroutines
// that no request waits for.
//
// stream.mu is a leaf: nothing is read and no other lock is taken under it.
package fusefs
