package facts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"

	"migimg/preflight/facts/efi"
	"migimg/preflight/facts/initramfs"
	"migimg/preflight/facts/kmod"
)

// releaseOf is the release of an entry's kernel. A unified image has it in a
// section of its own (UAPI.5, .uname), or in the kernel inside.
func (g *gatherer) releaseOf(e BootEntry) (string, error) {
	if !e.Unified {
		return g.release(e.Kernel.Path)
	}
	f, err := g.fs.Open(guestName(e.Kernel.Path))
	if err != nil {
		return "", fmt.Errorf("kernel %s: %w", e.Kernel.Path, err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	r, ok := f.(io.ReaderAt)
	if !ok {
		return "", fmt.Errorf("kernel %s: no random access", e.Kernel.Path)
	}
	p, err := efi.Open(r, e.Kernel.Size)
	if err != nil {
		return "", fmt.Errorf("kernel %s: %w", e.Kernel.Path, err)
	}
	if v, err := p.Text(".uname"); err == nil && v != "" {
		return v, nil
	}
	if s, ok := p.Section(".linux"); ok {
		v, err := kmod.Release(s)
		if err == nil {
			return v, nil
		}
		return "", fmt.Errorf("kernel %s: %w", e.Kernel.Path, err)
	}
	return "", fmt.Errorf("kernel %s: it holds no kernel", e.Kernel.Path)
}

// insideUnified is the initramfs in a unified kernel image.
func insideUnified(r io.ReaderAt, size int64) (*io.SectionReader, error) {
	p, err := efi.Open(r, size)
	if err != nil {
		return nil, err
	}
	s, ok := p.Section(".initrd")
	if !ok {
		return nil, errors.New("the unified kernel image holds no initramfs")
	}
	return s, nil
}

// release finds the version of a kernel image: in the image itself, or from its
// name and the folders of modules.
func (g *gatherer) release(kernel string) (string, error) {
	f, err := g.fs.Open(guestName(kernel))
	if err != nil {
		return "", fmt.Errorf("kernel %s: %w", kernel, err)
	}
	defer func() { _ = f.Close() }()
	if r, ok := f.(io.ReaderAt); ok {
		if v, err := kmod.Release(r); err == nil {
			return v, nil
		} else if !errors.Is(err, kmod.ErrNoRelease) {
			return "", fmt.Errorf("kernel %s: %w", kernel, err)
		}
	}
	for _, d := range []string{"lib/modules", "usr/lib/modules"} {
		entries, err := g.fs.ReadDir(d)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if strings.HasSuffix(path.Base(kernel), "-"+e.Name()) {
				return e.Name(), nil
			}
		}
	}
	return "", fmt.Errorf("kernel %s: its version cannot be told, neither from the image nor from its name", kernel)
}

// undecoded compares an archive's compressions with what the kernel was built to
// unpack (init/Kconfig, usr/Kconfig: RD_GZIP and the others). Only a
// configuration that says no counts.
func undecoded(t *kmod.Tree, i *Initrd) {
	for _, c := range i.Compressions {
		symbol := "RD_" + strings.ToUpper(c)
		if c == "lzop" {
			symbol = "RD_LZO"
		}
		if v, ok := t.Config(symbol); ok && v == "n" {
			i.Undecoded = append(i.Undecoded, c)
		}
	}
}

// maxInitrd bounds an initramfs, in bytes as it lies on the disk.
const maxInitrd = 1 << 30

// initrd reads one initramfs, of a unified image the one inside. The error is that
// of a cancelled context.
func (g *gatherer) initrd(ctx context.Context, b BootFile, unified bool) (*initramfs.Archive, Initrd, error) {
	i := Initrd{Path: b.Path, Size: b.Size}
	switch {
	case b.Err != "":
		i.Err = b.Err
	case b.Size < 0:
		i.Err = "the file is missing"
	case b.Size > maxInitrd:
		i.Err = fmt.Sprintf("%d bytes are more than an initramfs has", b.Size)
	}
	if i.Err != "" {
		return nil, i, nil
	}
	f, err := g.fs.Open(guestName(b.Path))
	if err != nil {
		i.Err = err.Error()
		return nil, i, nil
	}
	defer func() { _ = f.Close() }() // nothing was written
	r, ok := f.(io.ReaderAt)
	if !ok {
		i.Err = "no random access"
		return nil, i, nil
	}
	if unified {
		s, err := insideUnified(r, b.Size)
		if err != nil {
			i.Err = err.Error()
			return nil, i, nil
		}
		r, i.Size = s, s.Size()
	}
	a, err := readInitrd(ctx, r, &i)
	return a, i, err
}

// hashing hashes what is read through it for the first time, in order: an archive
// of many MiB is not read twice.
type hashing struct {
	r io.ReaderAt
	h hash.Hash
	n int64 // how much has been hashed, from the start
}

func (s *hashing) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(p, off)
	if off <= s.n && off+int64(n) > s.n {
		s.h.Write(p[s.n-off : n])
		s.n = off + int64(n)
	}
	return n, err
}

func readInitrd(ctx context.Context, r io.ReaderAt, i *Initrd) (*initramfs.Archive, error) {
	sum := &hashing{r: r, h: sha256.New()}
	a, err := initramfs.Read(ctx, sum, i.Size, initramfs.Limits{})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		i.Err = err.Error()
		return nil, nil
	}
	// What the archive's reader left out: padding.
	if _, err := io.Copy(io.Discard, io.NewSectionReader(sum, sum.n, i.Size-sum.n)); err != nil || sum.n != i.Size {
		i.Err = fmt.Sprintf("read %d of %d bytes: %v", sum.n, i.Size, err)
		return nil, nil
	}
	i.SHA256 = hex.EncodeToString(sum.h.Sum(nil))
	for _, s := range a.Segments {
		i.Compressions = append(i.Compressions, s.Compression)
	}
	i.Modules, i.Opaque, i.Problems, i.Truncated = len(a.Modules), a.Opaque, a.Problems, a.Truncated
	i.NetRules = netRulesIn(a)
	seen := map[string]bool{}
	for _, m := range a.Modules {
		if m.Kernel != "" && !seen[m.Kernel] {
			seen[m.Kernel] = true
			i.Kernels = append(i.Kernels, m.Kernel)
		}
	}
	for _, n := range []string{"init", "sbin/init", "usr/lib/systemd/systemd", "linuxrc"} {
		if _, ok := a.Find(n); ok {
			i.Init = true
		}
	}
	for p, text := range a.Contents {
		if strings.HasSuffix(p, "dracut/build-parameter.txt") {
			i.Hostonly = strings.TrimSpace(string(text))
		}
	}
	return a, nil
}
