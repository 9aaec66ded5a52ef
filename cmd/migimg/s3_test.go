//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pkg/xattr"

	"migimg/internal/need"
)

const (
	s3Part   = 5 << 20 // the smallest that S3 takes
	s3Parts  = 10000   // the most
	s3Resume = "../../docs/s3-resume.sh"
)

// TestS3: the images go from the mount to a real S3 server in parts, several at a
// time, without a copy on disk, and come back as the same bytes. What was stopped
// goes on, and not with the parts of another plan. docs/uploading.md has the
// commands.
func TestS3(t *testing.T) {
	need.Root(t)
	need.Tool(t, "versitygw", "rclone", "aws", "getfattr")
	d := fragmentedDisk()
	path, _ := d.make(t)
	point := mountMigimg(t, path)
	s := startS3(t)
	s.rclone(t, "mkdir", ":s3:images")

	t.Run("rclone", func(t *testing.T) { s3Rclone(t, s, point) })
	t.Run("aws", func(t *testing.T) { s3AWS(t, s, point) })
	t.Run("rclone killed", func(t *testing.T) { s3RcloneKilled(t, s, point) })
	t.Run("resumed", func(t *testing.T) { s3Resumed(t, s, point) })
	t.Run("resumed from a new mount", func(t *testing.T) { s3Remounted(t, s, path, d.start*512, point) })
	t.Run("unreadable sector", func(t *testing.T) { s3BadSector(t, s, path) })
	t.Run("number of parts", func(t *testing.T) { s3PartSize(t, s) })
}

func s3Rclone(t *testing.T, s *s3server, point string) {
	want := map[string]string{}
	for _, name := range []string{"disk.qcow2", "disk.vmdk", "disk.vhd"} {
		want[name] = hashFile(t, filepath.Join(point, name))
	}
	down := filepath.Join(tempDir(t), "down")
	s.rclone(t, "copy", "--metadata", "--include", "disk.{qcow2,vmdk,vhd}", point, ":s3:images")
	s.rclone(t, "copy", ":s3:images", down)
	checkCopies(t, down, want)
	checkParts(t, s, down, "disk.qcow2", "disk.vmdk", "disk.vhd")
	// --metadata takes the attributes along.
	var objects []struct{ Metadata map[string]string }
	if err := json.Unmarshal([]byte(s.rclone(t, "lsjson", "--metadata", ":s3:images/disk.qcow2")), &objects); err != nil {
		t.Fatal(err)
	}
	if plan := planOf(t, filepath.Join(point, "disk.qcow2")); len(objects) != 1 || objects[0].Metadata["migimg.plan-digest"] != plan {
		t.Errorf("the object's metadata are %v, want the plan digest %s", objects, plan)
	}
}

func s3AWS(t *testing.T, s *s3server, point string) {
	image, down := filepath.Join(point, "disk.qcow2"), tempDir(t)
	for _, setting := range []string{"multipart_threshold", "multipart_chunksize"} {
		s.aws(t, "configure", "set", "default.s3."+setting, "5MB")
	}
	s.aws(t, "s3", "cp", "--no-progress", image, "s3://images/aws.qcow2")
	s.aws(t, "s3", "cp", "--no-progress", "s3://images/aws.qcow2", down)
	same(t, filepath.Join(down, "aws.qcow2"), image)
	checkParts(t, s, down, "aws.qcow2")
}

// s3RcloneKilled: rclone leaves no object when it is killed, and starts anew.
func s3RcloneKilled(t *testing.T, s *s3server, point string) {
	image, object := filepath.Join(point, "disk.qcow2"), ":s3:images/killed.qcow2"
	s.killedAt(t, "starting chunk 5", "rclone", append(rcloneFlags(), "copyto", "-vv", "--bwlimit", "8M", image, object)...)
	if s.has(t, "killed.qcow2") {
		t.Fatal("there is an object already")
	}
	uploads := func() string {
		return s.aws(t, "s3api", "list-multipart-uploads", "--bucket", "images", "--query", "Uploads[].[Key, UploadId]", "--output", "text")
	}
	begun := strings.Fields(uploads())
	if len(begun) != 2 || begun[0] != "killed.qcow2" {
		t.Fatalf("uploads that are begun: %v", begun)
	}
	s.rclone(t, "copyto", image, object)
	down := filepath.Join(tempDir(t), "down")
	s.rclone(t, "copyto", object, down)
	same(t, down, image)
	// What the first one left takes room until it is told to go.
	s.aws(t, "s3api", "abort-multipart-upload", "--bucket", "images", "--key", begun[0], "--upload-id", begun[1])
	if left := uploads(); strings.Contains(left, "killed") {
		t.Errorf("uploads after the abort: %s", left)
	}
}

// s3Resumed: parts that the server has are not sent again.
func s3Resumed(t *testing.T, s *s3server, point string) {
	image := filepath.Join(point, "disk.qcow2")
	s.killedAt(t, "part 2 of", s.resume(t), image, "images", "resumed.qcow2")
	kept, sent, _ := s.resumed(t, image, "resumed.qcow2")
	if all := (sizeOf(t, image) + 2*s3Part - 1) / (2 * s3Part); kept < 2 || kept+sent != all {
		t.Errorf("%d parts kept, %d sent of %d", kept, sent, all)
	}
}

// s3Remounted: the mount ends between two parts, and the next one gives the rest;
// or the disk changes meanwhile.
func s3Remounted(t *testing.T, s *s3server, disk string, fsAt int64, point string) {
	image := filepath.Join(point, "disk.qcow2")
	remount := func(meanwhile func(fs string)) {
		t.Helper()
		eventually(t, "umount", func() bool { _, err := try(program, "umount", point); return err == nil })
		if meanwhile != nil {
			fs, umount := mountFS(t, disk, fmt.Sprintf("loop,noinit_itable,offset=%d,sizelimit=%d", fsAt, fsSize))
			meanwhile(fs)
			umount()
		}
		run(t, program, "mount", disk, point)
	}
	begun := func(key string) (plan string) {
		t.Helper()
		s.killedAt(t, "part 2 of", s.resume(t), image, "images", key)
		return planOf(t, image)
	}

	t.Run("the same disk", func(t *testing.T) {
		plan := begun("remounted.qcow2")
		remount(nil)
		if now := planOf(t, image); now != plan {
			t.Fatalf("the plan digest is %s, was %s", now, plan)
		}
		if kept, sent, _ := s.resumed(t, image, "remounted.qcow2"); kept < 2 {
			t.Errorf("%d parts kept, %d sent", kept, sent)
		}
	})
	// The plan says where bytes lie, not which they are.
	t.Run("a file was overwritten in place", func(t *testing.T) {
		plan := begun("overwritten.qcow2")
		before := hashFile(t, image)
		remount(func(fs string) {
			f, err := os.OpenFile(filepath.Join(fs, "long"), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte("other bytes"), 1<<20); err != nil {
				t.Fatal(err)
			}
		})
		if planOf(t, image) != plan || hashFile(t, image) == before {
			t.Fatal("wanted the same plan of other bytes")
		}
		// The superblock is in the first part: it says when it was mounted last.
		if _, _, said := s.resumed(t, image, "overwritten.qcow2"); !regexp.MustCompile(`part 1 of \d+: sent`).MatchString(said) {
			t.Errorf("the first part has changed, and was not sent again:\n%s", said)
		}
	})
	t.Run("a file was written", func(t *testing.T) {
		plan := begun("written.qcow2")
		remount(func(fs string) { writeFile(t, filepath.Join(fs, "new"), 1<<20, rand.NewChaCha8([32]byte{15})) })
		if planOf(t, image) == plan {
			t.Fatal("the plan digest is the same")
		}
		_, err := s.try(t, s.resume(t), image, "images", "written.qcow2")
		if err == nil || !strings.Contains(err.Error(), "exit status 2") || !strings.Contains(err.Error(), "refused") {
			t.Fatalf("it went on with another plan: %v", err)
		}
		if s.has(t, "written.qcow2") {
			t.Error("there is an object")
		}
	})
}

// s3BadSector: what cannot be read whole becomes no object.
func s3BadSector(t *testing.T, s *s3server, disk string) {
	image := filepath.Join(mountMigimg(t, withBadSector(t, disk, itoa(inLongFile(t, disk)/512))), "disk.qcow2")
	for key, command := range map[string][]string{
		"bad-rclone.qcow2": append(append([]string{"rclone"}, rcloneFlags()...), "--retries", "1", "copyto", image, ":s3:images/bad-rclone.qcow2"),
		"bad-aws.qcow2":    {"aws", "--endpoint-url", s.endpoint, "s3", "cp", "--no-progress", image, "s3://images/bad-aws.qcow2"},
	} {
		_, err := s.try(t, command[0], command[1:]...)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), "input/output error") {
			t.Errorf("%s: %v, want an input/output error", command[0], err)
		}
		if s.has(t, key) {
			t.Errorf("there is an object %s", key)
		}
	}
}

// s3PartSize: of 16 TiB, rclone, the AWS CLI and s3-resume.sh make at most 10000
// parts, each of a size that S3 takes. They say so before they send anything.
func s3PartSize(t *testing.T, s *s3server) {
	disk := filepath.Join(tempDir(t), "sparse.img")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Truncate(disk, 16<<40) != nil { // an ext4 file ends a block before
		if err := os.Truncate(disk, 16<<40-4096); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "sh", "-c", `echo 'start=2048, type=linux' | sfdisk -q --label gpt "$0"`, disk)
	point := mountMigimg(t, disk)
	for _, name := range []string{"disk.raw", "disk.qcow2"} {
		image := filepath.Join(point, name)
		size := sizeOf(t, image)
		mib := (size + s3Parts<<20 - 1) / (s3Parts << 20)
		if size < 16<<40-4096 || size > mib<<20*s3Parts || mib < 5 || mib > 5<<10 {
			t.Fatalf("%s: %d bytes in parts of %d MiB", name, size, mib)
		}
		line := s.killedAt(t, "parts of", s.resume(t), image, "images", name)
		if !strings.Contains(line, fmt.Sprintf("in %d parts of %d MiB", (size+mib<<20-1)/(mib<<20), mib)) {
			t.Errorf("s3-resume.sh says %q, want parts of %d MiB", line, mib)
		}
		line = s.killedAt(t, "chunk size insufficient", "rclone", "copyto", "-vv", "--s3-provider", "Other",
			"--s3-disable-checksum", "--s3-upload-concurrency", "1", image, ":s3:images/"+name)
		if gib := strings.TrimRight(fmt.Sprintf("%.3f", float64(mib)/1024), "0"); !strings.Contains(line, "new: "+gib+"Gi") {
			t.Errorf("rclone says %q, want parts of %s GiB", line, gib)
		}
		line = s.killedAt(t, "exceeding the maximum", "aws", "--endpoint-url", s.endpoint, "--debug", "s3", "cp", image, "s3://images/"+name)
		_, to, _ := strings.Cut(line, "Setting to ")
		to, _, _ = strings.Cut(to, " ")
		if part, err := strconv.ParseInt(to, 10, 64); err != nil || part > 5<<30 || part*s3Parts < size {
			t.Errorf("the AWS CLI says %q", line)
		}
	}
}

// resume is the script that users are given.
func (s *s3server) resume(t *testing.T) string {
	t.Helper()
	script, err := filepath.Abs(s3Resume)
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// resumed completes an upload, compares the object with the file and returns how
// many parts were kept and sent, and what was said.
func (s *s3server) resumed(t *testing.T, image, key string) (kept, sent int64, said string) {
	t.Helper()
	said = s.run(t, s.resume(t), image, "images", key)
	_, last, _ := strings.Cut(said, "complete: s3://images/"+key+", ")
	if _, err := fmt.Sscanf(last, "%d parts kept, %d sent", &kept, &sent); err != nil {
		t.Fatalf("%v in %s", err, said)
	}
	down := filepath.Join(tempDir(t), "down")
	s.rclone(t, "copyto", ":s3:images/"+key, down)
	same(t, down, image)
	return kept, sent, said
}

func (s *s3server) has(t *testing.T, key string) bool {
	t.Helper()
	return slices.Contains(strings.Fields(s.rclone(t, "lsf", ":s3:images")), key)
}

// checkParts: the objects, of which dir has copies, were sent in parts of 5 MiB.
func checkParts(t *testing.T, s *s3server, dir string, keys ...string) {
	t.Helper()
	etags := strings.Fields(s.aws(t, "s3api", "list-objects-v2", "--bucket", "images", "--query", "Contents[].[Key, ETag]", "--output", "text"))
	for _, key := range keys {
		at := slices.Index(etags, key)
		parts := (sizeOf(t, filepath.Join(dir, key)) + s3Part - 1) / s3Part
		if at < 0 || parts < 2 || !strings.HasSuffix(etags[at+1], fmt.Sprintf("-%d\"", parts)) {
			t.Errorf("%s of %d parts: %v", key, parts, etags)
		}
	}
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if g, w := hashFile(t, got), hashFile(t, want); g != w {
		t.Errorf("%s: hash %s, want %s", filepath.Base(want), g, w)
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

func planOf(t *testing.T, image string) string {
	t.Helper()
	plan, err := xattr.Get(image, "user.migimg.plan-digest")
	if err != nil {
		t.Fatal(err)
	}
	return string(plan)
}
