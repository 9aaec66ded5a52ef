package render

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/preflight/texts"
)

// verified are images as people have them: one right, one wrong, one of which not all
// is known.
func verified(text string) []Image {
	return []Image{
		{Name: "/mnt/sdb/server.qcow2" + text, Status: "pass", Facts: []string{"qcow2, a file of 629473280 bytes, a disk of 4294967296 bytes", "100 % proven to be the disk as of 2026-11-25T02:00:00Z (pinned)", "looked at 2026-11-25T08:00:00Z by root on vault"}, Aspects: []ImageAspect{
			{Name: "structure", Status: "pass", Summary: "version 3, 65536 byte clusters"},
			{Name: "content", Status: "pass", Summary: "100 % of the disk is proven" + text},
			{Name: "qemu-img check", Status: "skip", Summary: "not run: qemu-img is not installed"},
		}},
		{Name: "server.vhd", Status: "fail", Facts: []string{"vhd"}, Aspects: []ImageAspect{
			{Name: "content", Status: "fail", Summary: "98.75 % of the disk is proven", Problems: []string{"fail: these 1048576 bytes are not what the source had [disk byte 11534336, partition 1 (ext4): /var/lib/mysql/ibdata1]" + text}},
			{Name: "partition 1 (ext4)", Status: "unknown", Summary: "the journal could not be replayed"},
		}},
	}
}

// TestImages: the section of the page, and the page for itself; text is text.
func TestImages(t *testing.T) {
	dir := os.Getenv("MIGIMG_LOOK")
	for _, lang := range texts.Languages() {
		for name, list := range map[string][]Image{"verified": verified(""), "hostile": verified(evils[0])} {
			o := Options{Texts: language(t, lang), Images: list}
			var alone, within bytes.Buffer
			if err := ImagesHTML(&alone, "1.0", o); err != nil {
				t.Fatal(err)
			}
			if err := HTML(&within, gallery(t), o); err != nil {
				t.Fatal(err)
			}
			for _, s := range []string{alone.String(), within.String()} {
				selfContained(t, s)
				if !strings.Contains(s, "/mnt/sdb/server.qcow2") || !strings.Contains(s, "/var/lib/mysql/ibdata1") || !strings.Contains(s, o.texts().Text("Approval")) {
					t.Errorf("%s, %s: images, files or the approval are not there", name, lang)
				}
				if elements(t, s)["script"] > 1 {
					t.Errorf("%s, %s: a script comes through", name, lang)
				}
			}
			if dir != "" && name == "verified" {
				if err := os.WriteFile(filepath.Join(dir, name+"-"+lang+".html"), alone.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestImagesMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := ImagesMarkdown(&b, "1.0", Options{Images: verified("|<b>\nx")}); err != nil {
		t.Fatal(err)
	}
	s := b.String()
	for _, want := range []string{"## server.vhd: FAIL", "| qemu-img check | skip |", "Signature", "| | | fail: these 1048576 bytes"} {
		if !strings.Contains(s, want) {
			t.Errorf("nothing of %q in\n%s", want, s)
		}
	}
	if strings.Contains(s, "<b>") || strings.Contains(s, "\nx") {
		t.Errorf("text of the image is markup:\n%s", s)
	}
}
