package main

import (
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"slices"
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
	if order := f.order(); len(order) > 1 {
		fmt.Fprintf(&b, "\nThe machine has %d disks, and wants them in this order, the first to start from: %s.\n", len(order), strings.Join(order, ", "))
	}
	if len(f.images) > 0 {
		fmt.Fprintf(&b, "\n    cd %s\n\n| file | bytes | disk, bytes |\n|---|---:|---:|\n", shellWord(dir))
		for _, im := range f.images {
			fmt.Fprintf(&b, "| %s | %d | %d |\n", f.file(im), im.Layout.Size(), im.VirtualSize)
		}
		b.WriteString("\nThe files are read from the disk while they are uploaded; their sizes are exact. Hashes, to compare with what arrived:\n\n")
		for _, im := range f.images {
			fmt.Fprintf(&b, "    sha256sum %s\n", shellWord(f.file(im)))
		}
		b.WriteString("\nWith rclone, to whatever it knows as REMOTE (parts of a size that keeps their number below 10000):\n\n")
		for _, im := range f.images {
			fmt.Fprintf(&b, "    rclone copyto --s3-chunk-size %dM %s REMOTE:BUCKET/%[2]s\n", partSize(im.Layout.Size())>>20, shellWord(f.file(im)))
		}
	}
	for _, t := range f.targets {
		f.describe(&b, t)
	}
	fmt.Fprintf(&b, "\nWhether the system will boot there: migimg preflight --target %s, or %s\n", f.name, filepath.Join(point, "preflight.json"))
	return b.Bytes()
}

// file is an image's path in the folder.
func (f *targetFolder) file(im image) string {
	return strings.TrimPrefix(im.Path, path.Join("targets", f.name)+"/")
}

// order is the names of several disks, as a machine has them: as their images are.
func (f *targetFolder) order() (names []string) {
	for _, im := range f.images {
		for _, d := range im.disks {
			if !slices.Contains(names, d.of.name) {
				names = append(names, d.of.name)
			}
		}
	}
	return names
}

// describe writes the section of one target.
func (f *targetFolder) describe(b *bytes.Buffer, t targetImage) {
	fmt.Fprintf(b, "\n## %s\n\nChecked against the target's documents on %s.\n", t.Title, t.AsOf)
	if len(t.images) == 0 {
		fmt.Fprintf(b, "\nThere is no file for it: %s.\n", t.reason)
		return
	}
	var names, whole []string
	for _, im := range t.images {
		if len(im.disks) > 1 {
			whole = append(whole, f.file(im))
		} else {
			names = append(names, f.file(im))
		}
	}
	fmt.Fprintf(b, "\nIt takes %s.", strings.Join(names, " and "))
	if t.Multiple != nil {
		fmt.Fprintf(b, " Its disk is a multiple of %s.", human(t.Multiple.Value))
	}
	if len(whole) > 0 {
		fmt.Fprintf(b, " Where it imports a machine, %s is one with all disks.", strings.Join(whole, " and "))
	}
	b.WriteString("\n")
	for _, disk := range f.order() {
		f.commands(b, t, disk)
	}
	if len(t.Restrictions) > 0 {
		b.WriteString("\n")
	}
	for _, r := range t.Restrictions {
		fmt.Fprintf(b, "* %s\n", r.Text)
	}
}

// commands writes what to do with the files of a disk, which has a name where there are
// several.
func (f *targetFolder) commands(b *bytes.Buffer, t targetImage, disk string) {
	i := slices.IndexFunc(t.images, func(im image) bool { return len(im.disks) == 1 && im.disks[0].of.name == disk })
	if i < 0 || len(t.Commands) == 0 {
		return
	}
	b.WriteString("\n")
	if disk != "" {
		fmt.Fprintf(b, "Disk %s:\n\n", disk)
	}
	for _, c := range t.Commands {
		if c.Note != "" {
			fmt.Fprintf(b, "    # %s\n", c.Note)
		}
		fmt.Fprintf(b, "    %s\n", filled(c.Text, t.images[i], disk))
	}
}

// filled puts an image's name and sizes into a command. A disk with a name has a folder, in
// the bucket as well.
func filled(text string, im image, disk string) string {
	gib := (im.VirtualSize + 1<<30 - 1) >> 30
	words := []string{
		"/mnt/migimg/", "",
		"FILESIZE", fmt.Sprint(im.Layout.Size()),
		"GIB", fmt.Sprint(gib),
		"min_disk=GB", fmt.Sprintf("min_disk=%d", max(10, gib)),
		`"min_disk":GB`, fmt.Sprintf(`"min_disk":%d`, max(10, gib)),
	}
	if disk != "" {
		words = append([]string{"/mnt/migimg/disk", disk + "/disk", "BUCKET/disk", "BUCKET/" + disk + "/disk", "Key=disk", "Key=" + disk + "/disk"}, words...)
	}
	return strings.NewReplacer(words...).Replace(text)
}

// shellWord quotes a word for a shell, where that is needed.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
