// Package storage parses the configuration of what lies between disks and
// filesystems: LVM, md RAID, multipath, crypttab, and the headers of LUKS. It
// does no input of its own but for [ReadLUKS], and keeps no key, salt or hash.
//
// The parsers take whatever bytes a guest has: they are bounded, never fail on
// the first odd line, and say in Problems what they did not understand.
package storage

import "strings"

// Bounds of one file.
const (
	maxLines  = 100_000
	maxValues = 100_000
	maxDepth  = 32
)

// fields splits at blanks.
func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' })
}
