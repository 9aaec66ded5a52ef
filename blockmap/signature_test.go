package blockmap

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// TestSignatures has the marks of formats whose tools a test machine does not
// have, or cannot run.
func TestSignatures(t *testing.T) {
	const size = 4<<20 + 512
	via := append([]byte{0x55, 0xaa, 2}, make([]byte, 48)...)
	via[50] = 0x55 + 0xaa + 2 - 0x100
	uber := func() map[int64]string {
		m := map[int64]string{}
		for i := range int64(4) {
			m[128<<10+i<<10] = "\x0c\xb1\xba\x00\x00\x00\x00\x00"
		}
		return m
	}
	for _, c := range []struct {
		name string
		put  map[int64]string
		want []string
	}{
		{"nothing", nil, nil},
		{"LUKS", map[int64]string{0: "LUKS\xba\xbe"}, []string{"crypto_LUKS"}},
		{"LUKS2 whose first header is gone", map[int64]string{16384: "SKUL\xba\xbe"}, []string{"crypto_LUKS"}},
		{"LVM in the second sector", map[int64]string{512: "LABELONE", 536: "LVM2 001"}, []string{"LVM2_member"}},
		{"LVM in the fourth", map[int64]string{1536: "LABELONE", 1560: "LVM2 001"}, []string{"LVM2_member"}},
		{"LVM in the fifth", map[int64]string{2048: "LABELONE", 2072: "LVM2 001"}, nil},
		{"md 0.90", map[int64]string{4<<20 - 64<<10: "\xfc\x4e\x2b\xa9"}, []string{"linux_raid_member"}},
		{"md 0.90, big-endian", map[int64]string{4<<20 - 64<<10: "\xa9\x2b\x4e\xfc"}, []string{"linux_raid_member"}},
		{"md 1.0", map[int64]string{(size/512 - 16) &^ 7 * 512: "\xfc\x4e\x2b\xa9"}, []string{"linux_raid_member"}},
		{"md 1.2 over ext4", map[int64]string{4096: "\xfc\x4e\x2b\xa9\x01\x00\x00\x00", 1024: extSuperblock}, []string{"linux_raid_member", "ext4"}},
		{"ext magic in boot code", map[int64]string{1024 + 56: "\x53\xef"}, nil},
		{"ext4 of 2^32 blocks", map[int64]string{1024: extSuperblock, 1028: "\x00", 1024 + 0x150: "\x01"}, []string{"ext4"}},
		{"a journal device", map[int64]string{1024: extSuperblock, 1024 + 32: "\x00", 1024 + 40: "\x00", 1024 + 0x60: "\x08"}, []string{"ext4"}},
		{"swap of 64 KiB pages", map[int64]string{65526: "SWAPSPACE2"}, []string{"swap"}},
		{"hibernated", map[int64]string{4086: "S1SUSPEND"}, []string{"swsuspend"}},
		{"TuxOnIce", map[int64]string{0: "\xed\xc3\x02\xe9\x98\x56\xe5\x0c", 4086: "SWAPSPACE2"}, []string{"swsuspend", "swap"}},
		{"zfs", uber(), []string{"zfs_member"}},
		{"a stray uberblock", map[int64]string{129 << 10: "\x0c\xb1\xba\x00\x00\x00\x00\x00"}, nil},
		{"Intel", map[int64]string{size - 1024: "Intel Raid ISM Cfg Sig. 1.3.00"}, []string{"isw_raid_member"}},
		{"DDF", map[int64]string{size - 512: "\xde\x11\xde\x11"}, []string{"ddf_raid_member"}},
		{"DRBD over xfs", map[int64]string{0: "XFSB", size - 4096 + 60: "\x83\x74\x02\x6d"}, []string{"xfs", "drbd"}},
		{"Promise", map[int64]string{size - 3087*512: "Promise Technology, Inc."}, []string{"promise_fasttrack_raid_member"}},
		{"VIA", map[int64]string{size - 512: string(via)}, []string{"via_raid_member"}},
		{"VIA, wrong checksum", map[int64]string{size - 512: string(via[:50])}, nil},
		{"VMFS", map[int64]string{1 << 20: "\x0d\xd0\x01\xc0"}, []string{"VMFS"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := make([]byte, size)
			for off, s := range c.put {
				copy(b[off:], s)
			}
			got, err := Signatures(Bytes(bytes.NewReader(b), size, 0))
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}

// extSuperblock is the fields of one that are looked at.
var extSuperblock = func() string {
	b := make([]byte, 80)
	b[0], b[4], b[32], b[40], b[56], b[57] = 1, 1, 1, 1, 0x53, 0xef
	return string(b)
}()

func TestSignaturesSmall(t *testing.T) {
	for _, size := range []int64{0, 1, 511, 512, 1024, 1100, 4096, 65535, 65536, 131072, 135168, 262144} {
		b := bytes.Repeat([]byte{0xff}, int(size))
		if got, err := Signatures(Bytes(bytes.NewReader(b), size, 0)); err != nil || got != nil {
			t.Errorf("%d bytes: %v, %v", size, got, err)
		}
	}
}

// TestSignaturesBadSectors: what cannot be read is an error where something is
// looked for, and only there.
func TestSignaturesBadSectors(t *testing.T) {
	const size = 4 << 20
	for _, c := range []struct {
		off int64
		bad bool
	}{{0, true}, {1024, true}, {128 << 10, true}, {1 << 20, true}, {size - 512, true}, {size - 8192, true}, {size - 3*512, false}, {3 << 20, false}} {
		v := Bytes(&faulty{data: make([]byte, size), bad: []Range{{c.off, 512}}}, size, 512)
		if _, err := Signatures(v); errors.Is(err, errBad) != c.bad {
			t.Errorf("bad sector at %d: %v", c.off, err)
		}
	}
}

// FuzzSignatures mutates a volume's first and last bytes.
func FuzzSignatures(f *testing.F) {
	f.Add([]byte("XFSB"), []byte("\xde\x11\xde\x11"), uint32(200<<10))
	f.Add(append(make([]byte, 1024), extSuperblock...), make([]byte, 1024), uint32(70000))
	f.Fuzz(func(t *testing.T, head, tail []byte, size uint32) {
		size %= 600 << 10
		b := make([]byte, size)
		copy(b, head)
		copy(b[max(0, len(b)-len(tail)):], tail)
		if _, err := Signatures(Bytes(bytes.NewReader(b), int64(size), 0)); err != nil {
			t.Error(err)
		}
	})
}
