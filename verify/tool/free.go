package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// oracles are, by the kind of filesystem, the program that is asked and what its
// answer comes to, in bytes.
var oracles = map[string]struct {
	program string
	args    []string
	free    func(out string) (int64, error)
}{
	"ext2": {"dumpe2fs", nil, dumpe2fsFree},
	"ext3": {"dumpe2fs", nil, dumpe2fsFree},
	"ext4": {"dumpe2fs", nil, dumpe2fsFree},
	"xfs":  {"xfs_db", []string{"-r", "-c", "sb 0", "-c", "print blocksize", "-c", "freesp -s"}, product(`blocksize = (\d+)`, `total free blocks (\d+)`)},
	"ntfs": {"ntfsinfo", []string{"-m", "-f"}, product(`Cluster Size: (\d+)`, `Free Clusters: (\d+)`)},
	"vfat": {"fsck.fat", []string{"-n", "-v"}, fsckFatFree},
}

// partclones are the programs for the kinds whose own tools do not say it.
var partclones = map[string]string{"btrfs": "partclone.btrfs", "exfat": "partclone.exfat", "f2fs": "partclone.f2fs"}

// Free asks a filesystem's own program how much of the volume at path, a device or
// a file of it alone, is free, in bytes. It returns the program's name.
func Free(ctx context.Context, kind, path string) (free int64, program string, err error) {
	if p, ok := partclones[kind]; ok {
		free, err = partcloneFree(ctx, p, path)
		return free, p, err
	}
	o, ok := oracles[kind]
	if !ok {
		return 0, "", fmt.Errorf("no program is known that says what is free in %s", kind)
	}
	p, err := find(o.program)
	if err != nil {
		return 0, o.program, err
	}
	var out bytes.Buffer // of a large disk it is more than run keeps
	if _, err := run(ctx, time.Hour, &out, p, append(o.args, path)...); err != nil {
		return 0, o.program, err
	}
	free, err = o.free(out.String())
	return free, o.program, err
}

// number is the last number that the expression finds.
func number(out, expr string) (int64, error) {
	all := regexp.MustCompile(expr).FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return 0, fmt.Errorf("nothing like %q in its output", expr)
	}
	return strconv.ParseInt(all[len(all)-1][1], 10, 64)
}

func product(a, b string) func(string) (int64, error) {
	return func(out string) (int64, error) {
		x, err := number(out, a)
		y, err2 := number(out, b)
		return x * y, errors.Join(err, err2)
	}
}

// dumpe2fsFree counts free blocks, and the blocks at the ends of inode tables in
// which no inode ever was: dumpe2fs names the inodes of each group.
func dumpe2fsFree(out string) (int64, error) {
	block, err := number(out, `(?m)^Block size: +(\d+)`)
	blocks, err2 := number(out, `(?m)^Free blocks: +(\d+)`)
	if err := errors.Join(err, err2); err != nil {
		return 0, err
	}
	free := blocks * block
	inode, err := number(out, `(?m)^Inode size:\s+(\d+)`)
	if err != nil {
		inode = 128 // revision 0 does not say it
	}
	for _, m := range regexp.MustCompile(`, (\d+) unused inodes`).FindAllStringSubmatch(out, -1) {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return 0, err
		}
		free += n * inode / block * block
	}
	return free + dumpe2fsJournal(out)*block, nil
}

// dumpe2fsJournal counts the blocks of a journal that holds nothing, but that of its
// superblock. They are free where the superblock's copy says that they are the
// journal's, and no part of it is for fast commits; nor where blocks come in clusters,
// which may be in use for something else besides.
func dumpe2fsJournal(out string) int64 {
	features, _, _ := strings.Cut(out, "\nFilesystem flags")
	for _, no := range []string{"needs_recovery", "fast_commit", "bigalloc"} {
		if strings.Contains(features, no) {
			return 0
		}
	}
	start, err := number(out, `(?m)^Journal start: +(\d+)`)
	blocks, err2 := number(out, `(?m)^(?:Total journal blocks|Journal length): +(\d+)`)
	if err := errors.Join(err, err2); err != nil || start != 0 || blocks < 1 || !strings.Contains(out, "\nJournal backup:           inode blocks") {
		return 0
	}
	return blocks - 1
}

// fsckFatFree reads "N files, USED/ALL clusters" and the size of a cluster.
func fsckFatFree(out string) (int64, error) {
	cluster, err := number(out, `(\d+) bytes per cluster`)
	used, err2 := number(out, `files, (\d+)/\d+ clusters`)
	all, err3 := number(out, `files, \d+/(\d+) clusters`)
	return cluster * (all - used), errors.Join(err, err2, err3)
}

// Section attaches a part of a file or device to a loop device, read-only, until
// release is called. It needs root.
func Section(ctx context.Context, path string, offset, size int64) (dev string, release func() error, err error) {
	p, err := find("losetup")
	if err != nil {
		return "", nil, err
	}
	out, err := run(ctx, time.Minute, nil, p, "--read-only", "--find", "--show", "--offset", fmt.Sprint(offset), "--sizelimit", fmt.Sprint(size), path)
	if err != nil {
		return "", nil, err
	}
	dev = strings.TrimSpace(out)
	return dev, func() error {
		_, err := run(context.WithoutCancel(ctx), time.Minute, nil, p, "-d", dev)
		return err
	}, nil
}
