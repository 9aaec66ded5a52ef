package preflight

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/preflight/targets"
)

// Each row changes the disk under a guest that is otherwise ready.
func TestDiskChecks(t *testing.T) {
	gpt := func(types ...string) *ptable.Table {
		p := &ptable.Table{Kind: ptable.KindGPT, SectorSize: 512, ID: "x", GPT: &ptable.Headers{PrimaryOK: true, BackupOK: true}}
		for i, k := range types {
			p.Partitions = append(p.Partitions, ptable.Partition{Number: i + 1, Start: int64(i+1) << 20, Size: 1 << 20, Type: k})
		}
		return p
	}
	const esp, bios, linux = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "21686148-6449-6e6f-744e-656564454649", "0fc63daf-8483-4772-8e79-3d69d8477de4"
	empty := bytes.NewReader(make([]byte, 1<<20))
	child := func(s *Source) *blockmap.VolumeInfo { return s.Volumes.Children[0] }
	for _, c := range []struct {
		name, check, tencent, kvm string
		change                    func(*Source)
	}{
		{"MBR", "disk.partition-table", "pass/blocker", "pass/blocker", func(*Source) {}},
		{"GPT", "disk.partition-table", "warn/medium", "pass/blocker", func(s *Source) { s.Table = gpt(linux) }},
		{"broken table", "disk.partition-table", "unknown/blocker", "unknown/blocker", func(s *Source) { s.Table.Broken = "overlap" }},
		{"table not read", "disk.partition-table", "unknown/blocker", "unknown/blocker", func(s *Source) { s.Table = nil }},
		{"no table under a system", "disk.partition-table", "fail/blocker", "fail/blocker", func(s *Source) { s.Table = &ptable.Table{Kind: ptable.KindNone} }},
		{"4096-byte sectors", "disk.sector-size", "fail/blocker", "fail/blocker", func(s *Source) { s.SectorSize = 4096 }},
		{"4096-byte table in an image", "disk.sector-size", "fail/blocker", "fail/blocker", func(s *Source) { s.Table.SectorSize = 4096 }},
		{"backup GPT gone", "disk.gpt-integrity", "warn/medium", "warn/medium", func(s *Source) { s.Table = gpt(linux); s.Table.GPT.BackupOK = false }},
		{"exactly 500 GiB", "disk.size-limit", "pass/blocker", "pass/blocker", func(s *Source) { s.Size = 500 << 30 }},
		{"above 500 GiB", "disk.size-limit", "fail/blocker", "pass/blocker", func(s *Source) { s.Size = 500<<30 + 1 }},
		{"exactly 50 GiB as qcow2", "disk.size-limit", "pass/blocker", "pass/blocker", func(s *Source) { s.Size, s.Outputs[0].Size = 400<<30, 50<<30 }},
		{"above 50 GiB as qcow2", "disk.size-limit", "fail/blocker", "pass/blocker", func(s *Source) { s.Size, s.Outputs[0].Size = 400<<30, 50<<30+1 }},
		{"no format", "disk.size-limit", "fail/blocker", "fail/blocker", func(s *Source) { s.Outputs[0].Err = "too large" }},
		{"LVM beside", "disk.stack", "warn/medium", "warn/medium", func(s *Source) {
			s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: "LVM2_member"}, Name: "2"})
		}},
		{"RAID beside", "disk.stack", "fail/high", "fail/high", func(s *Source) {
			s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: "linux_raid_member"}, Name: "2"})
		}},
		{"hibernated", "fs.clean", "fail/high", "fail/high", func(s *Source) {
			s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: "swsuspend"}, Name: "2"})
		}},
		{"a UUID inside LVM", "boot.root-spec", "unknown/blocker", "unknown/blocker", func(s *Source) {
			child(s).UUID = "other"
			s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: "LVM2_member"}, Name: "2"})
		}},
		{"a UUID in what nobody knows", "boot.root-spec", "unknown/blocker", "unknown/blocker", func(s *Source) {
			child(s).UUID = "other"
			s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Name: "2", Start: 2 << 30, Size: 1 << 20})
		}},
		{"BIOS", "boot.firmware", "pass/blocker", "pass/blocker", func(*Source) {}},
		{"nothing starts", "boot.firmware", "fail/blocker", "fail/blocker", func(s *Source) { s.View = empty }},
		{"UEFI", "boot.firmware", "warn/medium", "pass/blocker", func(s *Source) { s.View, s.Table = empty, gpt(esp, linux) }},
		{"GPT for BIOS", "boot.firmware", "pass/blocker", "pass/blocker", func(s *Source) { s.Table = gpt(bios, linux) }},
		{"both", "boot.firmware", "pass/blocker", "pass/blocker", func(s *Source) { s.Table = gpt(bios, esp, linux) }},
		{"boot sector unreadable", "boot.firmware", "unknown/blocker", "unknown/blocker", func(s *Source) { s.View = brokenReader{} }},
		{"live", "meta.scope", "warn/medium", "warn/medium", func(s *Source) { s.Consistency = "live" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := disk()
			c.change(&s)
			r := judge(t, s, debian(), "tencent", "kvm")
			if got := find(t, r, c.check, "tencent"); got != c.tencent {
				t.Errorf("tencent: %s, want %s: %s", got, c.tencent, summaryOf(r, c.check, "tencent"))
			}
			if got := find(t, r, c.check, "kvm"); got != c.kvm {
				t.Errorf("kvm: %s, want %s: %s", got, c.kvm, summaryOf(r, c.check, "kvm"))
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) ReadAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

func verdict(t *testing.T, s Source) (*Report, Verdict) {
	t.Helper()
	r, err := Run(context.Background(), s, Options{Targets: []string{"kvm"}})
	if err != nil {
		t.Fatal(err)
	}
	return r, r.Summary.Verdict
}

// A disk without a system is a data disk only if that is certain.
func TestDataDisk(t *testing.T) {
	base := func(children ...*blockmap.VolumeInfo) Source {
		s := disk()
		s.Size = 64 << 20
		s.View = bytes.NewReader(make([]byte, 64<<20))
		s.Table.Partitions = nil
		s.Volumes.Children = children
		return s
	}
	vol := func(kind string) *blockmap.VolumeInfo {
		return &blockmap.VolumeInfo{Report: blockmap.Report{Type: kind, UUID: kind}, Name: "1", Start: 1 << 20, Size: 8 << 20}
	}
	full := bytes.Repeat([]byte{0xa5}, 64<<20)
	for _, c := range []struct {
		name   string
		source Source
		status string // of boot.root-spec
		want   Verdict
	}{
		{"swap alone", base(vol("swap")), "skip", Ready},
		{"zeros in a partition", base(vol("")), "skip", Ready},
		{"an empty disk", func() Source {
			s := base()
			s.Table, s.Volumes = &ptable.Table{Kind: ptable.KindNone}, &blockmap.VolumeInfo{Report: blockmap.Report{Whole: "unknown contents"}, Size: 64 << 20}
			return s
		}(), "skip", Ready},
		{"unknown contents", func() Source { s := base(vol("")); s.View = bytes.NewReader(full); return s }(), "unknown", Unknown},
		{"LVM", base(vol("LVM2_member")), "unknown", Unknown},
		{"encrypted", base(vol("crypto_LUKS")), "unknown", Unknown},
		{"an ext4 that is none", base(vol("ext4")), "unknown", Unknown},
		{"a broken table", func() Source {
			s := base()
			s.Table.Broken, s.Volumes.Whole = "overlap", "overlap"
			return s
		}(), "unknown", Unknown},
		{"not scanned", func() Source { s := base(); s.Volumes = nil; return s }(), "unknown", Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, v := verdict(t, c.source)
			if got, _, _ := strings.Cut(find(t, r, "boot.root-spec", "kvm"), "/"); got != c.status || v != c.want {
				t.Errorf("root-spec %s, verdict %s; want %s, %s: %s", got, v, c.status, c.want, summaryOf(r, "boot.root-spec", "kvm"))
			}
		})
	}
}

// The running system's own tree, with the machine replaced by folders.
func TestLiveRoot(t *testing.T) {
	root := t.TempDir()
	tree := with(debian(), nil)
	if err := os.CopyFS(root, tree); err != nil {
		t.Fatal(err)
	}
	proc, sys := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(proc, "1"), 0o755); err != nil {
		t.Fatal(err)
	}
	mounts := "27 1 8:1 / / rw - ext4 /dev/sda1 rw\n28 27 8:17 / /home rw - ext4 /dev/sdb1 rw\n29 27 7:0 / /snap/x ro - squashfs /dev/loop0 ro\n30 27 8:18 / /mnt/usb rw - ext4 /dev/sdb2 rw\n"
	if err := os.WriteFile(filepath.Join(proc, "1/mountinfo"), []byte(mounts), 0o644); err != nil {
		t.Fatal(err)
	}
	s := disk()
	s.Device, s.Image, s.Root, s.Proc, s.Sys, s.Consistency = "/dev/sda", false, root, proc, sys, "live"
	s.Mounts = []Mount{{Device: "/dev/sda1", Partition: "1", Point: "/", FSType: "ext4", ReadWrite: true}}
	r, _ := verdict(t, s)
	if !r.Source.Live || r.Source.Backend != "live" || r.OS == nil || r.OS.ID != "debian" || len(r.OS.Kernels) != 1 || r.OS.Kernels[0].Version != kver {
		t.Errorf("source %+v, os %+v", r.Source, r.OS)
	}
	if got := summaryOf(r, "disk.required-mounts", "kvm"); !strings.Contains(got, "/home is on another disk (/dev/sdb1)") {
		t.Errorf("required mounts: %s", got)
	}
	// An unmounted /boot of this disk that cannot be read is unknown, not absent.
	tree["etc/fstab"] = text("UUID=" + rootUUID + " / ext4 defaults 0 1\nUUID=boot /boot ext4 defaults 0 2\n")
	if err := os.WriteFile(filepath.Join(root, "etc/fstab"), tree["etc/fstab"].Data, 0o644); err != nil {
		t.Fatal(err)
	}
	s.Volumes.Children = append(s.Volumes.Children, &blockmap.VolumeInfo{Report: blockmap.Report{Type: "ext4", UUID: "boot"}, Name: "2", Start: 0, Size: 1 << 20})
	r, v := verdict(t, s)
	if got := find(t, r, "boot.root-spec", "kvm"); got != "unknown/blocker" || v != Unknown {
		t.Errorf("root-spec %s, verdict %s", got, v)
	}
}

// A running system on LVM: the scan does not see into it, the kernel does.
func TestLiveLVM(t *testing.T) {
	for _, c := range []struct{ name, root, spec string }{
		{"by name", "/dev/mapper/cl-root", "/dev/mapper/cl-root"},
		{"by UUID", "UUID=" + rootUUID, "UUID=" + rootUUID},
		{"by path and name", "/dev/mapper/cl-root", "/dev/cl/root"},
		{"by name and UUID", "/dev/mapper/cl-root", "UUID=" + rootUUID},
	} {
		t.Run(c.name, func(t *testing.T) {
			grub := strings.ReplaceAll(string(debian()["boot/grub/grub.cfg"].Data), "root=UUID="+rootUUID, "root="+c.root)
			root := t.TempDir()
			tree := with(debian(), map[string]*fstest.MapFile{"boot/grub/grub.cfg": text(grub), "etc/fstab": text(c.spec + " / ext4 defaults 0 1\n")})
			if err := os.CopyFS(root, tree); err != nil {
				t.Fatal(err)
			}
			s := disk()
			s.Device, s.Image, s.Root, s.Proc, s.Sys = "/dev/sda", false, root, t.TempDir(), t.TempDir()
			if err := os.MkdirAll(s.Proc+"/1", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(s.Proc+"/1/mountinfo", []byte("27 1 253:0 / / rw - ext4 /dev/mapper/cl-root rw\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			s.Volumes.Children[0].Report = blockmap.Report{Type: "LVM2_member", UUID: "pv", Whole: "no scanner for LVM2_member"}
			s.Mounts = []Mount{{Device: "/dev/dm-0", Partition: "1", Point: "/", FSType: "ext4", ReadWrite: true}}
			r, _ := verdict(t, s)
			for id, want := range map[string]string{"boot.root-spec": "pass/blocker", "mount.fstab-resolves": "pass/blocker", "disk.required-mounts": "pass/blocker", "disk.stack": "warn/medium"} {
				if got := find(t, r, id, "kvm"); got != want {
					t.Errorf("%s: %s, want %s: %s", id, got, want, summaryOf(r, id, "kvm"))
				}
			}
			// The initramfs of this guest has no device mapper.
			if got := find(t, r, "driver.boot-disk", "kvm"); c.root != "UUID="+rootUUID && got != "fail/blocker" {
				t.Errorf("driver.boot-disk: %s", got)
			}
		})
	}
}

func TestUnknownTarget(t *testing.T) {
	_, err := Run(context.Background(), disk(), Options{Targets: []string{"tencent", "mars"}})
	if !errors.Is(err, targets.ErrUnknown) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, disk(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run: %v", err)
	}
}

func TestExitCode(t *testing.T) {
	one := func(v Verdict, status, severity string) *Report {
		return &Report{Summary: Summary{Verdict: v}, Checks: []CheckResult{{StatusBy: map[string]string{"kvm": status}, SeverityBy: map[string]string{"kvm": severity}}}}
	}
	for _, c := range []struct {
		report *Report
		failOn string
		want   int
	}{
		{one(Ready, "pass", "blocker"), "", 0},
		{one(Ready, "warn", "low"), "warn", 0},
		{one(Warnings, "warn", "medium"), "", 0},
		{one(Warnings, "warn", "medium"), "blocker", 0},
		{one(Warnings, "warn", "medium"), "warn", 3},
		{one(Warnings, "warn", "medium"), "medium", 3},
		{one(Warnings, "warn", "medium"), "high", 0},
		{one(Warnings, "fail", "high"), "high", 3},
		{one(Warnings, "unknown", "high"), "high", 3},
		{one(Blocked, "fail", "blocker"), "", 2},
		{one(Blocked, "fail", "blocker"), "warn", 2},
		{one(Blocked, "fail", "blocker"), "never", 0},
		{one(Unknown, "unknown", "blocker"), "", 4},
		{one(Unknown, "unknown", "blocker"), "never", 0},
	} {
		if got := ExitCode(c.report, c.failOn); got != c.want {
			t.Errorf("%s %v --fail-on %q: %d, want %d", c.report.Summary.Verdict, c.report.Checks[0].StatusBy, c.failOn, got, c.want)
		}
	}
	if ValidFailOn("warn") != nil || ValidFailOn("") != nil || ValidFailOn("all") == nil {
		t.Error("ValidFailOn")
	}
}
