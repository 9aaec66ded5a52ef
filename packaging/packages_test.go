//go:build integration && dist

// Package packaging has nothing but tests of what is built here: make packages-test does
// in fresh systems what takes minutes.
package packaging

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/internal/shell"
)

// build makes the packages for amd64 and returns their folder.
func build(t *testing.T, tree string) string {
	t.Helper()
	out := t.TempDir()
	shell.Run(t, `"$TREE/packaging/build.sh" amd64 "$OUT" && rm -rf "$OUT/stage"`, "TREE="+tree, "OUT="+out)
	return out
}

// one is the only file of that pattern in dir.
func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v, want one", pattern, found, err)
	}
	return found[0]
}

func TestPackages(t *testing.T) {
	need.Root(t)
	need.Tool(t, "git", "nfpm", "dpkg-deb", "rpm", "systemd-analyze", "unshare", "mkfs.ext4", "zsh", "man")
	tree, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	out := build(t, tree)
	deb, rpm := one(t, out, "*_amd64.deb"), one(t, out, "*.x86_64.rpm")

	t.Run("another folder makes the same bytes", func(t *testing.T) {
		other := t.TempDir()
		shell.Run(t, `cd "$TREE"; git() { command git -c safe.directory='*' "$@"; }
			git ls-files -zco --exclude-standard | xargs -0 cp --parents -at "$OTHER"; cp -a .git "$OTHER/"
			mkdir "$OTHER/build"; ln -s "$TREE/build/bin" "$OTHER/build/bin"`, "TREE="+tree, "OTHER="+other)
		shell.Run(t, `diff -r "$ONE" "$OTHER"`, "ONE="+out, "OTHER="+build(t, other))
	})
	t.Run("deb", func(t *testing.T) { testDeb(t, deb) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, rpm, deb) })
	t.Run("apk", func(t *testing.T) { testAPK(t, one(t, out, "*_x86_64.apk")) })
	t.Run("tarball", func(t *testing.T) {
		got := shell.Run(t, `mkdir "$D/local"; tar -C "$D/local" --strip-components=1 -xzf "$FILE"; cd "$D/local"
			bin/migimg version; ls bin/migimg share/man/man8/migimg.8.gz etc/migimg/migimg.conf share/zsh/site-functions/_migimg
			! grep -n '[ ="]/usr/bin/migimg' lib/systemd/system/migimg@.service`, "D="+t.TempDir(), "FILE="+one(t, out, "*.tar.gz"))
		if !strings.HasPrefix(got, "migimg ") {
			t.Error(got)
		}
	})
	t.Run("mount", func(t *testing.T) { testMount(t, deb) })
}

func testDeb(t *testing.T, deb string) {
	root := t.TempDir()
	shell.Run(t, `dpkg-deb -x "$DEB" "$D"`, "DEB="+deb, "D="+root)
	for path, mode := range map[string]os.FileMode{
		"usr/bin/migimg":                                     0o755,
		"usr/sbin/mount.migimg":                              0o777 | os.ModeSymlink,
		"usr/lib/systemd/system/migimg@.service":             0o644,
		"etc/migimg/migimg.conf":                             0o644,
		"usr/share/man/man8/migimg.8.gz":                     0o644,
		"usr/share/bash-completion/completions/migimg":       0o644,
		"usr/share/zsh/vendor-completions/_migimg":           0o644,
		"usr/share/fish/vendor_completions.d/migimg.fish":    0o644,
		"usr/share/doc/migimg/examples/fstab":                0o644,
		"usr/share/doc/migimg/examples/mnt-migimg.mount":     0o644,
		"usr/share/doc/migimg/examples/mnt-migimg.automount": 0o644,
		"usr/share/doc/migimg/docs/installing.md":            0o644,
		"usr/share/doc/migimg/copyright":                     0o644,
		"usr/share/doc/migimg/changelog.gz":                  0o644,
	} {
		if st, err := os.Lstat(filepath.Join(root, path)); err != nil {
			t.Error(err)
		} else if st.Mode() != mode {
			t.Errorf("%s: mode %v, want %v", path, st.Mode(), mode)
		}
	}
	shell.Run(t, `cd "$D"
		file usr/bin/migimg | grep -q 'statically linked'
		[ "$(dpkg-deb -f "$DEB" Depends)" = "" ]
		dpkg-deb -I "$DEB" conffiles | grep -qx /etc/migimg/migimg.conf
		case $(usr/bin/migimg version --format json | tr -d '\n ') in *'"commit":"'*'"date":"20'*) ;; *) exit 1;; esac
		man -l --warnings -E UTF-8 usr/share/man/man8/migimg.8.gz >/dev/null
		zsh -n usr/share/zsh/vendor-completions/_migimg
		# As the instance that it is for, with the program where it is.
		sed "s,/usr/bin/migimg,$D/usr/bin/migimg," usr/lib/systemd/system/migimg@.service >"$D/migimg@sda.service"
		systemd-analyze verify --man=no "$D/migimg@sda.service" 2>&1 | { ! grep -F migimg@; }
		systemd-analyze security --offline=true --threshold=45 "$D/migimg@sda.service"
		mkdir "$D/sbin-of-tests"; PATH=$D/usr/sbin:$PATH systemd-analyze verify --man=no usr/share/doc/migimg/examples/mnt-migimg.automount 2>&1 | { ! grep -F mnt-migimg; }`,
		"DEB="+deb, "D="+root)
}

// testRPM has rpm install and remove the package in a root of its own.
func testRPM(t *testing.T, rpm, deb string) {
	shell.Run(t, `rpm -K --nosignature "$RPM"
		dpkg-deb -x "$DEB" "$D/deb"
		q="rpm --root $D/root"
		mkdir "$D/root"
		$q -i --nodeps --noscripts "$RPM"
		cmp "$D/root/usr/bin/migimg" "$D/deb/usr/bin/migimg"
		[ "$(readlink "$D/root/usr/sbin/mount.migimg")" = ../bin/migimg ]
		$q -V --nodeps migimg
		$q -q --configfiles migimg | grep -qx /etc/migimg/migimg.conf
		$q -e --nodeps --noscripts migimg
		left=$(find "$D/root" ! -type d ! -path '*/.rpmdb/*' ! -path '*/var/lib/rpm/*')
		[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
		[ ! -e "$D/root/etc/migimg" ]`,
		"RPM="+rpm, "DEB="+deb, "D="+t.TempDir())
}

// testMount mounts by mount(8) what the deb has installed, in a namespace where its
// folders lie over this machine's.
func testMount(t *testing.T, deb string) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte(mountScript), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Log(shell.Run(t, `dpkg-deb -x "$DEB" "$D/deb"; ../testdata/disks/alone.sh sh -eu "$SCRIPT" "$D"`, "DEB="+deb, "D="+dir, "SCRIPT="+script))
}

const mountScript = `
D=$1 M=$1/mnt
cd "$D"
for d in usr/sbin usr/bin; do
	mount -t overlay -o "ro,lowerdir=$D/deb/$d:/$d" overlay "/$d"
done
finish() { umount -l "$M" 2>/dev/null || true; } # then the daemon ends
trap finish EXIT
mkdir "$M"
truncate -s 32M disk.img
mkfs.ext4 -q disk.img
gone() { i=0; while pgrep -f "mount.migimg $D/disk.img" >/dev/null; do i=$((i+1)); [ $i -lt 300 ]; sleep 0.1; done; }

echo "mount -t migimg"
mount -v -t migimg -o target=tencent "$D/disk.img" "$M"
[ -f "$M/targets/tencent/UPLOAD.md" ] && [ -s "$M/disk.qcow2" ]
grep " $M fuse.migimg ro,nosuid,nodev,noexec" /proc/self/mounts
umount "$M"
gone

echo "fstab"
cat >fstab <<FSTAB
$D/disk.img $M migimg nofail,_netdev,noatime,target="tencent,kvm",x-systemd.device-timeout=9 0 0
FSTAB
export LIBMOUNT_FSTAB="$D/fstab"
mount "$M"
[ -d "$M/targets/tencent" ] && [ -d "$M/targets/kvm" ]
mount -a
[ "$(grep -c " $M fuse.migimg " /proc/self/mounts)" = 1 ]
umount "$M"
gone
mount -f "$M" # a rehearsal
! grep " $M fuse" /proc/self/mounts

echo "what is wrong is said"
! mount -t migimg -o tarket=x "$D/disk.img" "$M" 2>err
grep -F -- '-o tarket: ' err
mount -s -t migimg -o tarket=x "$D/disk.img" "$M"
! mount -t migimg "$D/disk.img" "$M" 2>err
grep -F 'is a mount of' err
! mount -o remount,ro "$M" 2>err
grep -F 'unmount it and mount again' err
umount "$M"
gone
`
