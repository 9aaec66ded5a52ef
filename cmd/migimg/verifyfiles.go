package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"migimg/blockmap"
	scanners "migimg/blockmap/all"
	"migimg/verify"
	"migimg/verify/decoder"
)

// mostNamed is how many files are named of one difference.
const mostNamed = 3

// nameDifferences says which files lie where the content of an image is wrong, as far as
// the filesystems in it, which are what they are, still tell. The error is the context's.
func nameDifferences(ctx context.Context, r *verify.Report, im verify.Image) error {
	var wrong []*verify.Problem
	for i := range r.Aspects {
		if r.Aspects[i].Name != verify.Content {
			continue
		}
		for j := range r.Aspects[i].Problems {
			if p := &r.Aspects[i].Problems[j]; p.Severity == decoder.Fail && p.Offset >= 0 && p.Length > 0 {
				wrong = append(wrong, p)
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	disk, err := verify.OpenDisk(ctx, im)
	if err != nil {
		return ctx.Err()
	}
	n, err := newFileNamer(ctx, blockmap.Bytes(endless{disk, disk.Size()}, disk.Size(), 0))
	if err != nil {
		return err
	}
	for _, p := range wrong {
		if names := n.names(ctx, p.Offset, p.Length); len(names) > 0 {
			p.Where = strings.TrimPrefix(p.Where+": "+strings.Join(names, ", "), ": ")
		}
	}
	return ctx.Err()
}

// fileNamer knows which files lie where on a disk that nobody writes to.
type fileNamer struct {
	dev   blockmap.Volume
	files blockmap.Files
	root  *blockmap.VolumeInfo
}

func newFileNamer(ctx context.Context, dev blockmap.Volume) (*fileNamer, error) {
	n := &fileNamer{dev: dev}
	always := func(string) bool { return true }
	var err error
	_, n.root, err = blockmap.Scan(ctx, dev, scanners.Scanners(), blockmap.ScanOptions{Still: always, Frozen: always, Files: &n.files})
	return n, err
}

// names are the paths of the files that have bytes in the range, the longest part first;
// the last one is a number where there are too many.
func (n *fileNamer) names(ctx context.Context, off, length int64) (out []string) {
	bytes := map[fileKey]int64{}
	var keys []fileKey
	for x := range n.files.In(off, length) {
		k := fileKey{x.Volume, x.File}
		if x.File != (blockmap.FileID{}) && bytes[k] == 0 {
			keys = append(keys, k)
		}
		bytes[k] += x.Len
	}
	slices.SortStableFunc(keys, func(a, b fileKey) int { return int(bytes[b] - bytes[a]) })
	for i, k := range keys {
		if i == mostNamed {
			return append(out, fmt.Sprintf("and %d more files", len(keys)-mostNamed))
		}
		out = append(out, n.name(ctx, k))
	}
	return out
}

// name is a file's path from its volume's root, or its number where there is none to be
// found.
func (n *fileNamer) name(ctx context.Context, k fileKey) string {
	for v := range n.root.All() {
		if v.Name == k.volume {
			paths, _ := blockmap.Paths(ctx, scanners.Scanners(), v, n.dev, []blockmap.FileID{k.file}) // what it found counts
			if path := paths[k.file]; path != "" {
				return path
			}
		}
	}
	return fmt.Sprintf("inode %d", k.file.Inode)
}
