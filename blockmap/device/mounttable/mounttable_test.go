package mounttable

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	m, ok := Parse(`36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root\134x rw,errors=continue`)
	want := Row{ID: 36, Dev: unix.Mkdev(98, 0), Point: "/mnt 2", Root: "/mnt1", FSType: "ext3", Source: `/dev/root\x`, Super: "rw,errors=continue"}
	if !ok || m != want {
		t.Errorf("%+v", m)
	}
	for _, bad := range []string{"", "36 35 98:0 / /mnt rw", "a 35 98:0 / /mnt rw - ext4 x rw", "36 35 98 / /mnt rw - ext4 x rw", "36 35 98:0 / /mnt rw - ext4 x"} {
		if m, ok := Parse(bad); ok {
			t.Errorf("%q: %+v", bad, m)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw")
	f.Add("27 1 8:1 / /\\040 - - x y")
	f.Fuzz(func(_ *testing.T, s string) { Parse(s) })
}
