package main

import (
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// Limits of S3 and of what speaks its protocol (docs/uploading.md).
const (
	maxParts  = 10000
	minPart   = 64 << 20 // less makes many requests
	partAlign = 1 << 20
)

// partSize is the size of an upload's parts, in bytes, that keeps a file of size
// bytes within the number that is allowed.
func partSize(size int64) int64 {
	return max(minPart, (size/maxParts+partAlign)/partAlign*partAlign)
}

// upload is UPLOAD.md: how the files of the folder get into the cloud, as they lie
// at point.
func (f *targetFolder) upload(point string) []byte {
	var b bytes.Buffer
	dir := filepath.Join(point, "targets", f.name)
	fmt.Fprintf(&b, "# Into %s\n\nMade by migimg for this disk. Words in capitals are yours.\n", f.name)
	if len(f.images) > 0 {
		fmt.Fprintf(&b, "\n    cd %s\n\n| file | bytes | disk, bytes |\n|---|---:|---:|\n", shellWord(dir))
		for _, im := range f.images {
			fmt.Fprintf(&b, "| %s | %d | %d |\n", path.Base(im.Path), im.Layout.Size(), im.VirtualSize)
		}
		b.WriteString("\nThe files are read from the disk while they are uploaded; their sizes are exact. Hashes, to compare with what arrived:\n\n")
		for _, im := range f.images {
			fmt.Fprintf(&b, "    sha256sum %s\n", path.Base(im.Path))
		}
		b.WriteString("\nWith rclone, to whatever it knows as REMOTE (parts of a size that keeps their number below 10000):\n\n")
		for _, im := range f.images {
			fmt.Fprintf(&b, "    rclone copyto --s3-chunk-size %dM %s REMOTE:BUCKET/%[2]s\n", partSize(im.Layout.Size())>>20, path.Base(im.Path))
		}
	}
	for _, t := range f.targets {
		t.describe(&b)
	}
	fmt.Fprintf(&b, "\nWhether the system will boot there: migimg preflight --target %s, or %s\n", f.name, filepath.Join(point, "preflight.json"))
	return b.Bytes()
}

// describe writes the section of one target.
func (t targetImage) describe(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n## %s\n\nChecked against the target's documents on %s.\n", t.Title, t.AsOf)
	if len(t.images) == 0 {
		fmt.Fprintf(b, "\nThere is no file for it: %s.\n", t.reason)
		return
	}
	names := make([]string, len(t.images))
	for i, im := range t.images {
		names[i] = path.Base(im.Path)
	}
	fmt.Fprintf(b, "\nIt takes %s.", strings.Join(names, " and "))
	if t.Multiple != nil {
		fmt.Fprintf(b, " Its disk is a multiple of %s.", human(t.Multiple.Value))
	}
	b.WriteString("\n")
	if len(t.Commands) > 0 {
		b.WriteString("\n")
	}
	for _, c := range t.Commands {
		if c.Note != "" {
			fmt.Fprintf(b, "    # %s\n", c.Note)
		}
		fmt.Fprintf(b, "    %s\n", t.fill(c.Text))
	}
	if len(t.Restrictions) > 0 {
		b.WriteString("\n")
	}
	for _, r := range t.Restrictions {
		fmt.Fprintf(b, "* %s\n", r.Text)
	}
}

// fill puts the image's name and sizes into a command.
func (t targetImage) fill(text string) string {
	gib := (t.images[0].VirtualSize + 1<<30 - 1) >> 30
	return strings.NewReplacer(
		"/mnt/migimg/", "",
		"FILESIZE", fmt.Sprint(t.images[0].Layout.Size()),
		"GIB", fmt.Sprint(gib),
		"min_disk=GB", fmt.Sprintf("min_disk=%d", max(10, gib)),
		`"min_disk":GB`, fmt.Sprintf(`"min_disk":%d`, max(10, gib)),
	).Replace(text)
}

// shellWord quotes a word for a shell, where that is needed.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
