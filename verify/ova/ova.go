// Package ova checks and decodes OVAs for verify: a tar archive with the description
// of a virtual machine, its disk as a streamOptimized VMDK, and the sums of both (DMTF
// DSP0243). The archive is read by package tar, the disk by package vmdk.
package ova

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"migimg/verify/decoder"
	"migimg/verify/tar"
	"migimg/verify/vmdk"
)

const (
	// maxText bounds the description and the manifest, in bytes.
	maxText = 1 << 20
	// maxPOSIX is the largest size that a POSIX header holds, in bytes.
	maxPOSIX = 8<<30 - 1
)

// Open checks an archive, adds what is wrong to ps, and opens the disk in it. Where there
// is a manifest, that reads the file once from front to back. The disk is nil where the
// guest's bytes cannot be found; a problem then says why. The string sums the archive up
// for people. The error is that of a cancelled context.
func Open(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
	members, _, err := tar.List(ctx, f, ps)
	if err != nil {
		return nil, "", err
	}
	if !order(members, ps) {
		return nil, "", nil
	}
	ovf := members[0]
	text, err := f.Bytes(ovf.Off, ovf.Stored)
	if err != nil {
		ps.Err(ovf.Off, "ova: "+ovf.Name, err)
		return nil, "", nil
	}
	d := describe(text, ovf.Off, ps)
	disks := references(d, members, ps)
	if i := slices.IndexFunc(members, isManifest); i >= 0 {
		// Whatever else there is need not be in it.
		covered := func(name string) bool {
			return name == ovf.Name || slices.ContainsFunc(d.files, func(r reference) bool { return r.href == name })
		}
		if err := checkManifest(ctx, f, members[i], members, covered, ps); err != nil {
			return nil, "", err
		}
	} else {
		ps.Warnf(-1, "ova: there is no manifest: nobody can tell whether the archive is whole")
	}
	if len(disks) == 0 || len(disks) != len(d.disks) {
		if ps.Count(decoder.Fail)+ps.Count(decoder.Unknown) == 0 {
			ps.Failf(-1, "ova: there is no disk")
		}
		return nil, "", nil
	}
	return openDisks(ctx, f, d, disks, ps)
}

func isManifest(m tar.Member) bool { return path.Ext(m.Name) == ".mf" }

// order checks the members: the description is the first one, the manifest follows it
// or is the last one (DSP0243, "OVA packaging").
func order(members []tar.Member, ps *decoder.Problems) bool {
	if len(members) == 0 || path.Ext(members[0].Name) != ".ovf" {
		ps.Failf(0, "ova: the first member is no .ovf: VMware's importers refuse the archive")
		return false
	}
	base := strings.TrimSuffix(members[0].Name, ".ovf")
	seen := map[string]bool{}
	for i, m := range members {
		switch {
		case seen[m.Name]:
			ps.Failf(m.Header, "ova: %.80q is there twice", m.Name)
		case m.Name != path.Base(m.Name) || m.Name == "." || m.Name == "..":
			ps.Failf(m.Header, "ova: the name %.80q holds a folder", m.Name)
		case m.Sparse():
			ps.Failf(m.Header, "ova: %.80q is sparse, which no importer reads", m.Name)
			return false
		}
		seen[m.Name] = true
		if !m.POSIX && m.Stored <= maxPOSIX {
			ps.Warnf(m.Header+257, "ova: the header of %.80q is not POSIX's, which DSP0243 wants", m.Name)
		}
		ext := path.Ext(m.Name)
		if ext == ".ovf" && i > 0 {
			ps.Failf(m.Header, "ova: a second description, %.80q", m.Name)
		}
		if (ext == ".ovf" || ext == ".mf") && m.Stored > maxText {
			ps.Failf(m.Header, "ova: %.80q has %d bytes; %d are more than enough", m.Name, m.Stored, maxText)
			return false
		}
		if ext == ".cert" {
			ps.Warnf(m.Header, "ova: the signature in %.80q is not checked", m.Name)
		}
		if ext != ".mf" {
			continue
		}
		if m.Name != base+".mf" {
			ps.Failf(m.Header, "ova: the manifest is called %.80q, must be %.80q", m.Name, base+".mf")
		}
		if rest := members[i+1:]; i != 1 && slices.ContainsFunc(rest, func(m tar.Member) bool { return path.Ext(m.Name) != ".cert" }) {
			ps.Failf(m.Header, "ova: the manifest is in the middle; it follows the description, or comes last")
		}
	}
	return true
}

// references holds what the description says of the files against the members, and
// gives those with the disks, as many as there are, in the disks' order.
func references(d *descriptor, members []tar.Member, ps *decoder.Problems) (disks []*tar.Member) {
	at := 0
	for _, r := range d.files {
		i := slices.IndexFunc(members, func(m tar.Member) bool { return m.Name == r.href })
		if i < 0 {
			ps.Failf(d.at, "ovf: the file %.80q is not in the archive", r.href)
			continue
		}
		if i < at {
			ps.Warnf(members[i].Header, "ova: %.80q is not in the references' order", r.href)
		}
		at = i
		if r.size >= 0 && r.size != members[i].Size {
			ps.Failf(d.at, "ovf: the size of %.80q is said to be %d, it has %d bytes", r.href, r.size, members[i].Size)
		}
	}
	for _, x := range d.disks {
		i := slices.IndexFunc(members, func(m tar.Member) bool { return m.Name == x.file.href })
		if i >= 0 && x.file.href != "" {
			disks = append(disks, &members[i])
		}
	}
	for _, m := range members[1:] {
		if ext := path.Ext(m.Name); ext != ".mf" && ext != ".cert" && !slices.ContainsFunc(d.files, func(r reference) bool { return r.href == m.Name }) {
			ps.Warnf(m.Header, "ova: nothing refers to %.80q", m.Name)
		}
	}
	return disks
}

// openDisks opens the VMDKs.
func openDisks(ctx context.Context, f decoder.File, d *descriptor, members []*tar.Member, ps *decoder.Problems) (decoder.Disk, string, error) {
	var all several
	summary := "ova, firmware " + or(d.firmware, "not said")
	for i, m := range members {
		v, words, err := openDisk(ctx, f, d, d.disks[i].capacity, m, ps)
		if v == nil || err != nil {
			return nil, "", err
		}
		all.disks = append(all.disks, v)
		summary += fmt.Sprintf(", %s: %s", m.Name, words)
	}
	if len(all.disks) == 1 {
		return all.disks[0], summary, nil
	}
	all.Disk = all.disks[0]
	return &all, summary, nil
}

// several are the disks of a machine.
type several struct {
	decoder.Disk // the first
	disks        []decoder.Disk
}

func (s *several) Disks() []decoder.Disk { return s.disks }

// openDisk opens a VMDK that should have so many bytes.
func openDisk(ctx context.Context, f decoder.File, d *descriptor, capacity int64, m *tar.Member, ps *decoder.Problems) (decoder.Disk, string, error) {
	inner := &decoder.Problems{}
	v, summary, err := vmdk.Open(ctx, decoder.File{R: &section{f, m.Off}, Size: m.Size}, m.Name, inner)
	if err != nil {
		return nil, "", err
	}
	for _, p := range inner.List() {
		if p.FileOffset >= 0 {
			p.FileOffset += m.Off
		}
		p.What = m.Name + ": " + p.What
		ps.Add(p)
	}
	if v == nil {
		return nil, "", nil
	}
	if !strings.HasPrefix(summary, "streamOptimized") {
		ps.Failf(m.Off, "ova: %s is a %s VMDK, must be streamOptimized", m.Name, summary)
	}
	if capacity >= 0 && capacity != v.Size() {
		ps.Failf(d.at, "ovf: the disk's capacity is said to be %d bytes, the VMDK has %d", capacity, v.Size())
	}
	return &disk{v, m.Off}, summary, nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// section is a part of a file. What cannot be read is said by its place in the file.
type section struct {
	f   decoder.File
	off int64
}

var _ io.ReaderAt = (*section)(nil)

func (s *section) ReadAt(p []byte, off int64) (int, error) { return s.f.ReadAt(p, s.off+off) }

// disk is a VMDK's, at an offset in the file.
type disk struct {
	decoder.Disk
	off int64
}

func (d *disk) Locate(off int64) int64 {
	if at := d.Disk.Locate(off); at >= 0 {
		return at + d.off
	}
	return -1
}
