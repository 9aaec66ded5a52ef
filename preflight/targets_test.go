package preflight

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/preflight/checks"
	"migimg/preflight/facts"
	"migimg/preflight/guestfs"
	"migimg/preflight/targets"
)

// Each row changes the disk, and says what a target makes of it.
func TestTargetRules(t *testing.T) {
	type m = map[string]*fstest.MapFile
	const gib, tib = int64(1) << 30, int64(1) << 40
	size := func(n int64) func(*Source) { return func(s *Source) { s.Size = n } }
	root := func(s *Source) *blockmap.VolumeInfo { return s.Volumes.Children[0] }
	rootType := func(kind string, features ...string) func(*Source) {
		return func(s *Source) { root(s).Type, root(s).Features = kind, features }
	}
	beside := func(kind string) func(*Source) {
		return func(s *Source) {
			s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: kind}, Name: "2"})
		}
	}
	outputs := func(virtual int64, formats ...string) func(*Source) {
		return func(s *Source) {
			s.Outputs = nil
			for _, f := range formats {
				s.Outputs = append(s.Outputs, OutputInfo{Format: f, Path: "disk." + f, Size: 1 << 30, VirtualSize: virtual})
			}
		}
	}
	all := func(changes ...func(*Source)) func(*Source) {
		return func(s *Source) {
			for _, c := range changes {
				c(s)
			}
		}
	}
	uefi := func(s *Source) {
		s.View = strings.NewReader(strings.Repeat("\x00", 1<<20))
		s.Table = &ptable.Table{Kind: ptable.KindGPT, SectorSize: 512, GPT: &ptable.Headers{PrimaryOK: true, BackupOK: true},
			Partitions: []ptable.Partition{{Number: 1, Start: 1 << 20, Size: 1 << 20, Type: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"}}}
	}
	hybrid := func(s *Source) { s.Table.Kind = ptable.KindHybrid }
	subvolumes := m{"etc/fstab": text("UUID=" + rootUUID + " / btrfs subvol=@ 0 0\n")}
	for _, c := range []struct {
		name, target, check, want, code string
		change                          func(*Source)
		files                           m
	}{
		{"limit of Alibaba", "alibaba", "disk.size-limit", "pass/blocker", "", size(2048 * gib), nil},
		{"above it", "alibaba", "disk.size-limit", "fail/blocker", "InvalidOperation.DiskImageSizeExceeded", size(2048*gib + 512), nil},
		{"400·10⁹ bytes", "oci", "disk.size-limit", "pass/blocker", "", size(400e9), nil},
		{"400 GiB, or GB", "oci", "disk.size-limit", "warn/medium", "", size(400 * gib), nil},
		{"a disk above both", "oci", "disk.size-limit", "warn/medium", "", size(400*gib + 1), nil},
		{"an image above both", "oci", "disk.size-limit", "fail/blocker", "", func(s *Source) { s.Size, s.Outputs[0].Size = 600*gib, 400*gib+1 }, nil},
		{"less than 100 GB", "digitalocean", "disk.size-limit", "pass/blocker", "", size(100e9 - 1), nil},
		{"100 GB", "digitalocean", "disk.size-limit", "warn/medium", "", size(100e9), nil},
		{"less than 16 TiB", "aws-import-image", "disk.size-limit", "pass/blocker", "", all(outputs(8*tib, "vmdk"), size(8*tib)), nil},
		{"a manifest", "aws-import-image", "disk.size-limit", "warn/medium", "", all(outputs(9*tib, "vmdk"), size(9*tib)), nil},
		{"exactly 16 TiB", "aws-import-image", "disk.size-limit", "warn/medium", "", all(outputs(16*tib, "vmdk"), size(16*tib)), nil},
		{"beyond", "aws-import-image", "disk.size-limit", "fail/blocker", "", all(outputs(17*tib, "vmdk"), size(17*tib)), nil},
		{"doubtful 6 GB", "linode", "disk.size-limit", "warn/medium", "", all(outputs(7*gib, "raw.gz"), size(7*gib)), nil},
		{"more than gzip may", "linode", "disk.size-limit", "warn/medium", "", func(s *Source) { s.Carried = 5e9 + 1 }, nil},
		{"fits", "linode", "disk.size-limit", "pass/blocker", "", outputs(4*gib, "raw.gz"), nil},
		{"fast import", "huawei", "disk.size-limit", "warn/medium", "", size(129 * gib), nil},
		{"too large for it", "huawei", "disk.size-limit", "fail/blocker", "", size(tib + 1), nil},
		{"the importer rounds up", "ibm", "disk.size-limit", "warn/info", "", nil, nil},
		{"migimg rounds up", "azure-gen1", "disk.size-limit", "pass/blocker", "", all(outputs(0), size(4*gib+512)), nil},
		{"a fixed VHD that is not rounded", "azure-gen1", "disk.size-limit", "fail/blocker", "The VHD has an unsupported virtual size of N bytes. The size must be a whole number (in MBs).", all(outputs(4*gib+512, "vhd-fixed"), size(4*gib+512)), nil},
		{"one that is", "azure-gen1", "disk.size-limit", "pass/blocker", "", all(outputs(4*gib+1<<20, "vhd-fixed"), size(4*gib+512)), nil},
		{"only other formats", "azure-gen1", "disk.size-limit", "pass/blocker", "", nil, nil},
		{"2 TiB of generation 1", "azure-gen1", "disk.size-limit", "fail/blocker", "", all(outputs(0), size(2*tib+1<<20)), nil},
		{"and of generation 2", "azure-gen2", "disk.size-limit", "pass/blocker", "", all(outputs(0), size(2*tib+1<<20)), nil},
		{"beyond VHD", "xcp-ng", "disk.size-limit", "warn/medium", "", size(2041 * gib), nil},

		{"hybrid", "openstack", "disk.partition-table", "warn/medium", "GPT MBR defines invalid extra partitions", hybrid, nil},
		{"hybrid where it is wanted", "gcp-images-create", "disk.partition-table", "warn/medium", "", hybrid, nil},
		{"nothing known of tables", "ibm", "disk.partition-table", "pass/blocker", "", uefi, nil},
		{"one partition", "baidu", "disk.partition-table", "pass/blocker", "", beside("swap"), nil},
		{"two", "baidu", "disk.partition-table", "fail/high", "", beside("xfs"), nil},
		{"two, elsewhere", "alibaba", "disk.partition-table", "warn/medium", "", beside("ext4"), nil},

		{"UEFI on generation 1", "azure-gen1", "boot.firmware", "fail/blocker", "", uefi, nil},
		{"UEFI on generation 2", "azure-gen2", "boot.firmware", "pass/blocker", "", uefi, nil},
		{"BIOS on generation 2", "azure-gen2", "boot.firmware", "fail/blocker", "", nil, nil},
		{"UEFI that nobody wrote of", "ibm", "boot.firmware", "warn/medium", "", uefi, nil},
		{"not known", "digitalocean", "boot.firmware", "skip/blocker", "", nil, nil},
		{"nothing starts", "tencent", "boot.firmware", "fail/blocker", "PartitionNotPresent", func(s *Source) { s.View = strings.NewReader(strings.Repeat("\x00", 1<<20)) }, nil},

		{"ext4", "baidu", "fs.type-and-features", "pass/medium", "", rootType("ext4", "extent"), nil},
		{"checksums", "baidu", "fs.type-and-features", "fail/high", "", rootType("ext4", "extent", "metadata_csum"), nil},
		{"features not known", "baidu", "fs.type-and-features", "unknown/high", "", nil, nil},
		{"XFS 5", "baidu", "fs.type-and-features", "fail/high", "", rootType("xfs", "V5", "CRC"), nil},
		{"XFS 4", "baidu", "fs.type-and-features", "pass/medium", "", rootType("xfs", "V4"), nil},
		{"XFS", "digitalocean", "fs.type-and-features", "fail/high", "", rootType("xfs", "V5"), nil},
		{"f2fs", "aws-import-image", "fs.type-and-features", "fail/blocker", "", rootType("f2fs"), nil},
		{"f2fs, nobody looks", "aws-import-snapshot", "fs.type-and-features", "warn/medium", "", rootType("f2fs"), nil},
		{"subvolumes", "aws-import-image", "fs.type-and-features", "fail/high", "", rootType("btrfs"), subvolumes},
		{"a default subvolume", "aws-import-image", "fs.type-and-features", "fail/high", "", rootType("btrfs", "default-subvol"), nil},
		{"perhaps subvolumes", "aws-import-image", "fs.type-and-features", "unknown/high", "", rootType("btrfs"), nil},
		{"64bit, an old rumour", "alibaba", "fs.type-and-features", "warn/low", "", rootType("ext4", "64bit"), nil},

		{"LVM", "baidu", "disk.stack", "fail/high", "", beside("LVM2_member"), nil},
		{"LVM, activated", "aws-import-image", "disk.stack", "warn/medium", "ClientError: Unsupported configuration - Logical volume group activation failed", beside("LVM2_member"), nil},
		{"LUKS", "aws-import-image", "disk.stack", "fail/blocker", "", beside("crypto_LUKS"), nil},
		{"LUKS, nobody looks", "aws-import-snapshot", "disk.stack", "warn/high", "", beside("crypto_LUKS"), nil},
		{"swap", "azure-gen1", "disk.stack", "warn/low", "", beside("swap"), nil},
		{"swap, elsewhere", "kvm", "disk.stack", "pass/high", "", beside("swap"), nil},

		{"virtio for nothing", "azure-gen1", "driver.boot-disk", "fail/blocker", "", nil, nil},
		{"the import helps", "aws-import-image", "driver.boot-disk", "fail/high", "", nil, nil},
		{"virtio_scsi not early", "gcp-images-create", "driver.boot-disk", "fail/blocker", "", nil, nil},
		{"no NVMe", "alibaba", "driver.target-extra", "warn/low", "GUESTOS.Nvme", nil, nil},
		{"no UDF", "azure-gen1", "driver.target-extra", "fail/medium", "", nil, nil},
		{"another controller will do", "proxmox", "driver.boot-disk", "fail/high", "", nil, m{"boot/initrd.img-" + kver: cpio("init", ko("ext4"))}},
		{"doubtful drivers", "linode", "driver.boot-disk", "warn/medium", "", nil, nil},
	} {
		t.Run(c.target+" "+c.name, func(t *testing.T) {
			s := disk()
			if c.change != nil {
				c.change(&s)
			}
			r := judgeRoot(t, s, with(debian(), c.files), c.target)
			if got := find(t, r, c.check, c.target); got != c.want {
				t.Errorf("%s, want %s: %s", got, c.want, summaryOf(r, c.check, c.target))
			}
			i := slices.IndexFunc(r.Checks, func(x CheckResult) bool { return x.ID == c.check })
			if code := r.Checks[i].MapsTo[c.target]; c.code != "" && code != c.code {
				t.Errorf("error code %q, want %q", code, c.code)
			}
			predicted := slices.ContainsFunc(r.Targets[0].Predicted, func(p Predicted) bool { return p.Check == c.check && p.Code == c.code })
			if want := c.code != "" && c.want == "fail/blocker"; predicted != want {
				t.Errorf("predicted %+v", r.Targets[0].Predicted)
			}
		})
	}
}

// A server as a distribution's generic initramfs leaves it is blocked by nobody
// but for its firmware.
func TestHealthy(t *testing.T) {
	ts, err := targets.All()
	if err != nil {
		t.Fatal(err)
	}
	tree := debian()
	names := []string{"init"}
	dep := string(tree["usr/lib/modules/"+kver+"/modules.dep"].Data)
	for _, m := range append(modules(ts), "virtio", "virtio_ring", "scsi_mod", "ext4") {
		names = append(names, ko(m))
		if tree[ko(m)] == nil {
			tree[ko(m)] = text("")
			dep += "kernel/drivers/" + m + ".ko:\n"
		}
	}
	tree["usr/lib/modules/"+kver+"/modules.dep"] = text(dep)
	tree["boot/initrd.img-"+kver] = cpio(names...)
	delete(tree, "etc/cloud/cloud.cfg.d/90_dpkg.cfg")
	s := disk()
	s.Size = 40 << 30
	s.Volumes.Children[0].Features = []string{"has_journal", "extent", "64bit", "metadata_csum"}
	r := report(gather(t, s, tree, ts), ts)
	for _, p := range r.Targets {
		if p.Verdict == Blocked || p.Verdict == Unknown {
			if p.ID != "azure-gen2" || !slices.Equal(p.Blockers, []string{"boot.firmware"}) {
				t.Errorf("%s: %s %v %v", p.ID, p.Verdict, p.Blockers, p.Unknown)
			}
		}
		t.Logf("%s: %s %v", p.ID, p.Verdict, p.Warnings)
	}
}

func gather(t *testing.T, s Source, tree fstest.MapFS, ts []*targets.Target) *facts.Facts {
	t.Helper()
	g := facts.Guest{Found: true, Backend: "test", Root: "1", RootType: s.Volumes.Children[0].Type, RootUUID: rootUUID}
	for v := range s.Volumes.All() {
		if v.UUID == rootUUID {
			g.Root, g.RootType = v.Name, v.Type
			break
		}
	}
	f, err := facts.GatherFS(context.Background(), s, facts.Options{Modules: modules(ts)}, g, guestfs.Compose(guestfs.FromFS(tree, "test")))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A doubtful figure never blocks, whichever check looks at it: what is a failure
// because of a target's figures is at most a warning once these are in doubt,
// and what fails without them still does.
func TestDoubtful(t *testing.T) {
	ts, err := targets.All()
	if err != nil {
		t.Fatal(err)
	}
	grub := strings.ReplaceAll(string(debian()["boot/grub/grub.cfg"].Data), "root=UUID="+rootUUID, "root=/dev/hdc1")
	tree := with(debian(), map[string]*fstest.MapFile{
		"boot/grub/grub.cfg":               text(grub),
		"boot/initrd.img-" + kver:          cpio("init", ko("xhci")),
		"lib/modules/" + kver:              nil,
		"etc/fstab":                        text("/dev/hdc1 / ext4 defaults 0 1\nLABEL=home /home ext4 defaults 0 2\n"),
		"etc/cloud/cloud.cfg.d/95.cfg":     text("datasource_list: [ Bigstep, None ]\n"),
		"etc/network/interfaces":           text("auto eth7\niface eth7 inet static\n address 10.0.0.5/24\n gateway 10.0.0.1\nauto eth8\niface eth8 inet dhcp\n"),
		"etc/cloud/cloud.cfg.d/99-net.cfg": text("network: {config: disabled}\n"),
	})
	bad := disk()
	bad.Size, bad.SectorSize, bad.Carried = 1<<47+512, 4096, 1<<46
	bad.Table.Kind = ptable.KindHybrid
	bad.Volumes.Children[0].Type, bad.Volumes.Children[0].Features = "ext4", []string{"metadata_csum", "64bit"}
	for i, kind := range []string{"LVM2_member", "crypto_LUKS", "swap", "xfs"} {
		bad.Volumes.Children = append(bad.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: kind}, Name: string(rune('2' + i))})
	}
	f := gather(t, bad, tree, ts)
	seen := map[string]int{}
	for _, p := range ts {
		sure, doubt := confidence(t, p, targets.Confirmed), confidence(t, p, targets.Doubtful)
		bare, _ := doubt.Certain()
		for _, c := range checks.All() {
			with, without, got := c.Judge(f, sure), c.Judge(f, bare), c.Judge(f, doubt)
			if got.Status != checks.Fail {
				if with.Status == checks.Fail {
					seen[c.ID]++
					if got.Status != checks.Warn || got.Severity.Rank() > checks.Medium.Rank() {
						t.Errorf("%s for %s: %s/%s where it is in doubt", c.ID, p.ID, got.Status, got.Severity)
					}
				}
				continue
			}
			if without.Status != checks.Fail || without.Severity.Rank() < got.Severity.Rank() {
				t.Errorf("%s for %s: %s/%s (%s), and without the doubtful figures %s/%s", c.ID, p.ID, got.Status, got.Severity, got.Summary, without.Status, without.Severity)
			}
		}
	}
	t.Log(seen)
	for _, id := range []string{"disk.size-limit", "disk.sector-size", "disk.stack", "fs.type-and-features", "driver.boot-disk", "boot.root-spec", "cloudinit.datasource"} {
		if seen[id] == 0 {
			t.Errorf("%s never failed because of a target's figure: the test shows nothing of it", id)
		}
	}
}

// What passes only because of a doubtful figure is not certain to.
func TestDoubtfulPass(t *testing.T) {
	ts, err := targets.Load("kvm")
	if err != nil {
		t.Fatal(err)
	}
	tree := with(debian(), map[string]*fstest.MapFile{"etc/fstab": text("/dev/vda1 / ext4 defaults 0 1\n")})
	f := gather(t, disk(), tree, ts)
	c := checks.Find("mount.fstab-device-names")
	if r := c.Judge(f, confidence(t, ts[0], targets.Confirmed)); r.Status != checks.Pass {
		t.Errorf("%s: %s", r.Status, r.Summary)
	}
	if r := c.Judge(f, confidence(t, ts[0], targets.Doubtful)); r.Status != checks.Warn || r.Severity != checks.Medium {
		t.Errorf("in doubt: %s/%s: %s", r.Status, r.Severity, r.Summary)
	}
}

// confidence is the target with all its figures as sure as that.
func confidence(t *testing.T, p *targets.Target, sure string) *targets.Target {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, s := range []string{targets.Confirmed, targets.Old, targets.Doubtful} {
		text = strings.ReplaceAll(text, `"confidence":"`+s+`"`, `"confidence":"`+sure+`"`)
	}
	out := &targets.Target{}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		t.Fatal(err)
	}
	return out
}
