//go:build integration

package iso9660_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/iso9660"
	"migimg/blockmap/ptable"
	"migimg/blockmap/scantest"
	"migimg/internal/need"
)

const mib = 1 << 20

var sizeLine = regexp.MustCompile(`Volume size is: (\d+)`)

// freeOf is what isoinfo says of the volume's length.
func freeOf(t testing.TB, img string) []blockmap.Range {
	t.Helper()
	out, err := exec.Command("isoinfo", "-d", "-i", img).Output()
	m := sizeLine.FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("isoinfo -d: %v\n%s", err, out)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(img)
	if err != nil {
		t.Fatal(err)
	}
	used := (n*2048 + 4095) &^ 4095
	return []blockmap.Range{{Off: used, Len: st.Size() - used}}
}

const (
	extract = `xorriso -osirrox on -indev "stdio:$IMG" -extract / "$DST"`
	xorriso = `xorriso -as mkisofs -quiet -o "$IMG.new" -r `
	// genisoimage 1.1.11 never ends with a symlink of 500 bytes in Rock Ridge.
	genisoi = `rm "$SRC/long"; genisoimage -quiet -o "$IMG.new" -r `
	// What isolinux needs in the tree.
	isolinux = `mkdir "$SRC/isolinux"; cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$SRC/isolinux"; `
	eltorito = `-b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table `
)

func disk(name, before, command string) scantest.Disk {
	return scantest.Disk{
		Name: name, Size: 16 * mib, Extract: extract,
		Mkfs: before + command + ` "$SRC"; mv "$IMG.new" "$IMG"; truncate -s 16M "$IMG"`,
	}
}

func TestDisks(t *testing.T) {
	disks := []scantest.Disk{
		disk("xorriso", "", xorriso),
		disk("xorriso-joliet", "", xorriso+"-J -V 'My Volume'"),
		disk("xorriso-level-3-no-pad", "", xorriso+"-iso-level 3 -no-pad"),
		disk("xorriso-enhanced-descriptor", "", xorriso+"-iso-level 4"),
		disk("xorriso-el-torito", isolinux, xorriso+"-J "+eltorito),
		disk("genisoimage", "", genisoi),
		disk("genisoimage-joliet", "", genisoi+"-J -joliet-long"),
		disk("genisoimage-el-torito", isolinux, genisoi+"-J "+eltorito),
	}
	efi := `truncate -s 1M "$IMG.efi"; mke2fs -q -F "$IMG.efi"; `
	dead := disk("old-data-behind", "", xorriso)
	dead.Mkfs += `; dd if=/dev/urandom of="$IMG" bs=4k seek=4095 count=1 conv=notrunc`
	cut := disk("cut-short", "", xorriso)
	cut.Mkfs += `; truncate -s 200K "$IMG"`
	sessions := disk("second-session", "", xorriso)
	sessions.Mkfs = `xorriso -as mkisofs -quiet -r -o "$IMG.new" "$SRC"; n=$(($(stat -c %s "$IMG.new") / 2048)); n=$(((n + 31) / 32 * 32))
		xorriso -as mkisofs -quiet -r -M "stdio:$IMG.new" -C 0,$n -o "$IMG.2" -graft-points "more=$SRC"
		dd if="$IMG.2" of="$IMG.new" bs=2048 seek=$n conv=notrunc; mv "$IMG.new" "$IMG"; truncate -s 16M "$IMG"`
	whole := []scantest.Disk{
		disk("isohybrid", isolinux, xorriso+eltorito+"-isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin"),
		disk("appended-partition", isolinux+efi, xorriso+eltorito+`-isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin -append_partition 2 0xef "$IMG.efi" -appended_part_as_gpt`),
		disk("appended-partition-mbr-only", efi, xorriso+`-append_partition 2 0xef "$IMG.efi"`),
		disk("udf-bridge", "", genisoi+"-udf"),
		disk("hfs", "", genisoi+"-hfs"),
		dead, cut, sessions,
	}
	for i := range whole {
		whole[i].Whole = true
	}
	scantest.Run(t, scantest.Suite{
		Scanner: iso9660.Scanner{},
		Check:   `xorriso -return_with SORRY 32 -indev "stdio:$IMG" -check_media --`,
		Free:    freeOf,
		Tools:   []string{"xorriso", "genisoimage", "isoinfo", "isohybrid", "mke2fs"},
		Disks:   append(disks, whole...),
	})
}

// Two formats in one device: the table and the filesystem claim it both.
func TestHybridWithTable(t *testing.T) {
	need.Tool(t, "xorriso", "sh")
	dir := t.TempDir()
	img := filepath.Join(dir, "a.iso")
	cmd := exec.Command("sh", "-ec", `mkdir "$SRC"; `+isolinux+xorriso+eltorito+`-isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin "$SRC"; mv "$IMG.new" "$IMG"; truncate -s 16M "$IMG"`)
	cmd.Env = append(os.Environ(), "SRC="+filepath.Join(dir, "src"), "IMG="+img)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, scanners := range [][]blockmap.Scanner{
		{ptable.Scanner{}, iso9660.Scanner{}},
		{iso9660.Scanner{}, ptable.Scanner{}},
	} {
		m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(f, 16*mib, 512), scanners, blockmap.ScanOptions{})
		if err != nil || !strings.Contains(info.Whole, "more than one format") || m.Bytes() != 16*mib {
			t.Errorf("%+v, %d bytes, %v", info.Report, m.Bytes(), err)
		}
	}
}

// What blkid says of the volumes.
func TestIdentity(t *testing.T) {
	need.Tool(t, "xorriso", "genisoimage", "blkid")
	for _, args := range []string{
		"xorriso -as mkisofs -quiet -r -V PLAIN",
		"xorriso -as mkisofs -quiet -r -J -V MyVolume",
		"genisoimage -quiet -r -J -V A_label_of_more_than_16_letters",
		"xorriso -as mkisofs -quiet -r -V lower --modification-date=2024010203040506",
	} {
		dir := t.TempDir()
		img := filepath.Join(dir, "a.iso")
		f := strings.Fields(args)
		if out, err := exec.Command(f[0], append(f[1:], "-o", img, "/etc/apt")...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
		out, err := exec.Command("blkid", "-p", "-o", "export", img).Output()
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(img)
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := scantest.Scan(t, iso9660.Scanner{}, b)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"UUID=" + r.UUID + "\n", "LABEL=" + r.Label + "\n", "TYPE=" + r.Type + "\n"} {
			if !strings.Contains(string(out), line) {
				t.Errorf("%s: no %q in\n%s", args, line, out)
			}
		}
	}
}
