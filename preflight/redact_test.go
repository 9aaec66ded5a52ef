package preflight

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"//nas/x /mnt cifs user=a,password=hunter2,uid=1 0 0":    "//nas/x /mnt cifs user=a,password=REDACTED,uid=1 0 0",
		"//nas/x /mnt cifs username=a,pass=hunter2 0 0":          "//nas/x /mnt cifs username=a,pass=REDACTED 0 0",
		`//nas/x /mnt cifs password="hun, ter2",x 0 0`:           `//nas/x /mnt cifs password=REDACTED,x 0 0`,
		"curlftpfs#joe:hunter2@host /mnt fuse 0 0":               "curlftpfs#joe:REDACTED@host /mnt fuse 0 0",
		"//joe:hunter2@nas/x":                                    "//joe:REDACTED@nas/x",
		"root=UUID=x ro quiet rd.luks.key=/k:UUID=y luks.key=zz": "root=UUID=x ro quiet rd.luks.key=REDACTED luks.key=REDACTED",
		"ds=nocloud;s=http://u:hunter2@h/ vconsole.keymap=us":    "ds=nocloud;s=http://u:REDACTED@h/ vconsole.keymap=us",
		"UUID=aaaa / ext4 errors=remount-ro 0 1":                 "UUID=aaaa / ext4 errors=remount-ro 0 1",
		"module:virtio_blk":                                      "module:virtio_blk",
	} {
		if got := redact(in); got != want {
			t.Errorf("%s:\n%s, want\n%s", in, got, want)
		}
	}
	if got := redact(strings.Repeat("é", 5000)); len(got) > maxText+3 || !strings.HasSuffix(got, "é...") {
		t.Errorf("%d bytes", len(got))
	}
}

// Neither passwords of mounts nor a file made to fill the report come through.
func TestReportIsBounded(t *testing.T) {
	var lines strings.Builder
	lines.WriteString("UUID=" + rootUUID + " / ext4 defaults 0 1\n")
	for i := range 5000 {
		fmt.Fprintf(&lines, "LABEL=%d /m/%d cifs,user=x,password=hunter2 defaults,password=hunter2 0 0\n", i, i)
		fmt.Fprintf(&lines, "broken password=hunter2 %d\n", i)
	}
	grub := strings.ReplaceAll(string(debian()["boot/grub/grub.cfg"].Data), " quiet", " quiet rd.luks.key=hunter2")
	r := judge(t, disk(), with(debian(), map[string]*fstest.MapFile{"etc/fstab": text(lines.String()), "boot/grub/grub.cfg": text(grub)}), "tencent", "kvm")
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 512<<10 {
		t.Errorf("%d bytes", b.Len())
	}
	if strings.Contains(b.String(), "hunter2") {
		t.Error("a password comes through")
	}
}
