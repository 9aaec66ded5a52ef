//go:build integration

package verify

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
)

// packers make the files of streams and archives with the programs that people use, in
// a shell in a folder with disk.raw, which has holes. odd are what verify warns of.
var packers = []struct {
	name, format, command, file string
	odd                         int
}{
	{"gzip", RawGzip, "gzip -k disk.raw", "disk.raw.gz", 0},
	{"gzip-1", RawGzip, "gzip -1 -n <disk.raw >packed", "packed", 0},
	{"gzip-9", RawGzip, "gzip -9 -k disk.raw", "disk.raw.gz", 0},
	{"python-gzip", RawGzip, `python3 -c "import gzip,shutil; shutil.copyfileobj(open('disk.raw','rb'), gzip.open('p.gz','wb'))"`, "p.gz", 0},
	{"two members", RawGzip, "(head -c 5000000 disk.raw | gzip; tail -c +5000001 disk.raw | gzip) >two.gz", "two.gz", 1},
	{"zstd", RawZstd, "zstd -q disk.raw", "disk.raw.zst", 0},
	{"zstd-1-stream", RawZstd, "zstd -q -1 <disk.raw >packed", "packed", 0},
	{"zstd-19", RawZstd, "zstd -q -19 disk.raw", "disk.raw.zst", 0},
	{"zstd-no-check", RawZstd, "zstd -q --no-check disk.raw", "disk.raw.zst", 0},
	{"zstd-long", RawZstd, "zstd -q --long=25 disk.raw -o long", "long", 1},
	{"zstd-frames", RawZstd, "(head -c 5000000 disk.raw | zstd -q; tail -c +5000001 disk.raw | zstd -q) >two", "two", 0},
	{"tar-oldgnu-sparse", Tar, "tar --format=oldgnu -Scf disk.tar disk.raw", "disk.tar", 0},
	{"tar-gnu-sparse", Tar, "tar --format=gnu -Scf disk.tar disk.raw", "disk.tar", 0},
	{"tar-gnu", Tar, "tar --format=gnu -cf disk.tar disk.raw", "disk.tar", 0},
	{"tar-ustar", Tar, "tar --format=ustar -cf disk.tar disk.raw", "disk.tar", 1},
	{"tar-b1", Tar, "tar --format=oldgnu -b1 -Scf disk.tar disk.raw", "disk.tar", 0},
	{"python-tar-gnu", Tar, `python3 -c "import tarfile; t=tarfile.open('p.tar','w',format=tarfile.GNU_FORMAT); t.add('disk.raw'); t.close()"`, "p.tar", 0},
	{"tar-gz", TarGzip, "tar --format=oldgnu -Sczf disk.tar.gz disk.raw", "disk.tar.gz", 0},
	{"tar-gz-manifest", TarGzip, "echo {} >manifest.json; tar --format=gnu -czf disk.tar.gz manifest.json disk.raw", "disk.tar.gz", 0},
	{"python-tar-gz", TarGzip, `python3 -c "import tarfile; t=tarfile.open('p.tar.gz','w:gz',format=tarfile.GNU_FORMAT); t.add('disk.raw'); t.close()"`, "p.tar.gz", 0},
	// qemu-img's dialect of the stream-optimized VMDK is warned of twice.
	{"ova", OVA, "qemu-img convert -O vmdk -o subformat=streamOptimized disk.raw disk.vmdk && sed -i s/SIZE/$(stat -c %s disk.vmdk)/ disk.ovf && " +
		"(sha256sum disk.ovf disk.vmdk | sed -E 's/([^ ]+)  (.*)/SHA256(\\2)= \\1/') >disk.mf && tar --format=ustar -cf disk.ova disk.ovf disk.vmdk disk.mf", "disk.ova", 2},
	{"ova-sha1-mf-first", OVA, "qemu-img convert -O vmdk -o subformat=streamOptimized disk.raw disk.vmdk && sed -i s/SIZE/$(stat -c %s disk.vmdk)/ disk.ovf && " +
		"(sha1sum disk.ovf disk.vmdk | sed -E 's/([^ ]+)  (.*)/SHA1(\\2)= \\1/') >disk.mf && tar --format=ustar -cf disk.ova disk.ovf disk.mf disk.vmdk", "disk.ova", 2},
}

// ovf is the description of a machine with a disk of 16 MiB.
const ovf = `<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf">
<References><File ovf:id="f" ovf:href="disk.vmdk" ovf:size="SIZE"/></References>
<DiskSection><Info/><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="16" ovf:capacityAllocationUnits="byte * 2^20" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
<VirtualSystem ovf:id="v"><Info/><VirtualHardwareSection><Info/>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
<Item><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
<Item><rasd:HostResource>ovf:/disk/d</rasd:HostResource><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>17</rasd:ResourceType></Item>
<vmw:Config vmw:key="firmware" vmw:value="bios"/>
</VirtualHardwareSection></VirtualSystem></Envelope>
`

// pack makes a file with a packer.
func pack(t *testing.T, disk, cmd, file string) string {
	t.Helper()
	dir := t.TempDir()
	command(t, "cp", "--sparse=always", disk, filepath.Join(dir, "disk.raw"))
	if err := os.WriteFile(filepath.Join(dir, "disk.ovf"), []byte(ovf), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "bash", "-ec", "cd "+dir+"; "+cmd)
	return filepath.Join(dir, file)
}

// What real programs pack is found, read and agreed with, by verify and by them.
func TestPackedByOthers(t *testing.T) {
	disk := diskFile(t)
	need.Tool(t, "gzip", "zstd", "tar", "python3", "sha256sum")
	src := sourceOf(contents(t, disk))
	for _, c := range packers {
		t.Run(c.name, func(t *testing.T) {
			path := pack(t, disk, c.command, c.file)
			good := contents(t, path)
			im := imageOf(path, "", good)
			im.Path = path
			r, err := Check(t.Context(), im, Options{Source: src, Tools: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.Format != c.format || !r.OK() || problems(r) != c.odd || r.Compared == 0 || r.Aspects[2].Summary != "gpt, 2 partitions, the source's" || r.Aspects[3].Status != Pass {
				t.Error(table(r))
			}
			// The program finds a damaged file as well.
			bad := bytes.Clone(good)
			bad[len(bad)/2] ^= 1
			damaged := filepath.Join(t.TempDir(), "a:b") // no name of a machine
			for _, b := range [][]byte{good[:len(good)/2], bad} {
				if err := os.WriteFile(damaged, b, 0o600); err != nil {
					t.Fatal(err)
				}
				im := imageOf(damaged, c.format, b)
				im.Path = damaged
				r, err := Check(t.Context(), im, Options{Source: src, Tools: true})
				if err != nil {
					t.Fatal(err)
				}
				if r.Verdict != Fail || r.Aspects[0].Status == Pass && r.Aspects[1].Status == Pass {
					t.Error(table(r))
				}
				if a := r.Aspects[3]; (len(b) < len(good) || c.format == RawGzip || c.format == TarGzip) && a.Status != Fail || a.Status == Skip {
					t.Errorf("%d of %d bytes: %s", len(b), len(good), table(r))
				}
			}
		})
	}
}

// Two hundred bits of each file are flipped: each flip is found, or what is in the file
// is the same for verify and for the program that unpacks it.
func TestFlipsInPackedFiles(t *testing.T) {
	disk := diskFile(t)
	need.Tool(t, "gzip", "zstd", "tar", "python3", "qemu-img")
	raw := contents(t, disk)
	src := sourceOf(raw)
	unpack := map[string]string{
		RawGzip: "gzip -dc <F >out", RawZstd: "zstd -dcq <F >out", Tar: "tar -xOf F disk.raw >out", TarGzip: "tar -xzOf F disk.raw >out",
		OVA: "tar -xf F disk.vmdk && qemu-img convert -f vmdk -O raw disk.vmdk out",
	}
	for i, c := range packers {
		if !strings.Contains("gzip zstd zstd-no-check tar-oldgnu-sparse tar-gnu tar-gz ova", c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			good := contents(t, pack(t, disk, c.command, c.file))
			before, err := Check(t.Context(), imageOf("disk", c.format, good), Options{Source: src})
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(9, uint64(i)))
			found, slack := 0, 0
			b := bytes.Clone(good)
			for k := range 200 {
				off := r.IntN(len(good))
				if k%4 == 0 { // headers, and what ends the file
					off = []int{r.IntN(min(2048, len(good))), len(good) - 1 - r.IntN(min(2048, len(good)))}[k/4%2]
				}
				b[off] ^= 1 << r.IntN(8)
				rep, err := Check(t.Context(), imageOf("disk", c.format, b), Options{Source: src})
				if err != nil {
					t.Fatal(err)
				}
				if !rep.OK() || problems(rep) > problems(before) {
					found++
				} else if slack++; slack <= 10 {
					dir := t.TempDir()
					if err := os.WriteFile(filepath.Join(dir, "F"), b, 0o600); err != nil {
						t.Fatal(err)
					}
					command(t, "bash", "-ec", fmt.Sprintf("cd %s; %s", dir, unpack[c.format]))
					if !bytes.Equal(contents(t, filepath.Join(dir, "out")), raw) {
						t.Errorf("byte %d: %#02x instead of %#02x was not found", off, b[off], good[off])
					}
				}
				b[off] = good[off]
			}
			t.Logf("%d bytes: %d found, %d in slack", len(good), found, slack)
		})
	}
}
