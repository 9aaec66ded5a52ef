package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pkg/xattr"
	"github.com/urfave/cli/v2"

	"migimg/fusefs"
)

func digestCommand() *cli.Command {
	return &cli.Command{
		Name:      "digest",
		Usage:     "print the SHA-256 and CRC-64 of images",
		ArgsUsage: "FILE...",
		Description: `For comparing with what arrived: object storages of Tencent (x-cos-hash-crc64ecma) and
Alibaba (x-oss-hash-crc64ecma) answer with the CRC-64, in decimal. A file of a mount
with --digest that was read once is not read again.

    migimg digest /mnt/migimg/disk.qcow2
    migimg digest --format json /mnt/sdb/disk.vhd`,
		Flags: []cli.Flag{formatFlag("table", "json")},
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				_, err := arguments(c, "FILE")
				return err
			}
			var all []digested
			for _, path := range c.Args().Slice() {
				d, err := digest(c.Context, path)
				if err != nil {
					return err
				}
				all = append(all, d)
			}
			if c.String("format") == "json" {
				return writeJSON(c.App.Writer, all)
			}
			for _, d := range all {
				fmt.Fprintf(c.App.Writer, "%s\n  sha256 %s\n  crc64  %s (decimal %s)\n", d.Path, d.SHA256, d.CRC64, d.CRC64Decimal)
			}
			return nil
		},
	}
}

// digested is what the command says of a file.
type digested struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// CRC64 is ECMA-182, in hex and as object storages print it.
	CRC64        string `json:"crc64"`
	CRC64Decimal string `json:"crc64_decimal"`
}

func digest(ctx context.Context, path string) (d digested, err error) {
	f, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return d, err
	}
	if !st.Mode().IsRegular() {
		return d, fmt.Errorf("%s is no regular file", path)
	}
	d = digested{Path: path, Size: st.Size(), SHA256: attribute(path, "user.migimg.sha256"), CRC64: attribute(path, "user.migimg.crc64")}
	if d.SHA256 == "" || d.CRC64 == "" {
		// All of it is read, holes as well: nothing is taken on trust.
		sums := fusefs.NewDigest(f, st.Size(), func(off int64) (int64, bool) { return st.Size() - off, true })
		p := newProgress()
		defer p.done()
		buf := make([]byte, 1<<20)
		for off := int64(0); off < st.Size(); {
			if err := ctx.Err(); err != nil {
				return d, err
			}
			n, err := sums.ReadAt(buf, off)
			if off += int64(n); n == 0 || err != nil && err != io.EOF {
				return d, fmt.Errorf("%s: reading at %d: %w", path, off, orEOF(err))
			}
			p.say("migimg: hashing %s: %s of %s", filepath.Base(path), human(off), human(st.Size()))
		}
		d.SHA256, d.CRC64 = sums.SHA256(), sums.CRC64()
	}
	var crc uint64
	_, err = fmt.Sscanf(d.CRC64, "%x", &crc)
	d.CRC64Decimal = fmt.Sprint(crc)
	return d, err
}

// orEOF is err, or what a file that has become shorter is answered with.
func orEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// attribute is an extended attribute of a file, empty where there is none.
func attribute(path, name string) string {
	b, _ := xattr.Get(path, name)
	return string(b)
}
