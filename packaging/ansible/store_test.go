//go:build integration && fleet

package ansible

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/child"
)

// store is a versitygw at the switch.
type store struct {
	net    *network
	dir    string
	secret string
	env    []string // rclone's
}

const storeURL = "http://" + controllerIP + ":7070"

func startStore(t testing.TB, n *network) *store {
	t.Helper()
	s := &store{net: n, dir: tempDir(t), secret: rand.Text()}
	for _, d := range []string{"data", "sidecar", "tmp"} {
		if err := os.Mkdir(filepath.Join(s.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	cmd := n.command("versitygw", "--port", controllerIP+":7070", "posix", "--sidecar", filepath.Join(s.dir, "sidecar"), filepath.Join(s.dir, "data"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "ROOT_ACCESS_KEY=migimg", "ROOT_SECRET_KEY=" + s.secret}
	cmd.Stdout, cmd.Stderr = log, log
	child.Start(t, cmd)
	s.env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TMPDIR=" + filepath.Join(s.dir, "tmp"), "HOME=" + filepath.Join(s.dir, "tmp"), "RCLONE_CONFIG=/dev/null",
		"RCLONE_S3_PROVIDER=Other", "RCLONE_S3_REGION=us-east-1", "RCLONE_S3_ENDPOINT=" + storeURL,
		"RCLONE_S3_ACCESS_KEY_ID=migimg", "RCLONE_S3_SECRET_ACCESS_KEY=" + s.secret}
	eventually(t, "the storage", func() bool {
		_, err := child.Output(t, s.command("mkdir", ":s3:images"))
		return err == nil
	})
	return s
}

func (s *store) command(args ...string) *exec.Cmd {
	cmd := s.net.command("rclone", append([]string{"--retries", "1", "--low-level-retries", "1"}, args...)...)
	cmd.Env = s.env
	return cmd
}

func (s *store) rclone(t testing.TB, args ...string) string {
	t.Helper()
	out, err := child.Output(t, s.command(args...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// object is what rclone lsjson says of one.
type object struct {
	Path     string
	Size     int64
	Metadata map[string]string
}

// objects are those of a host, by the ends of their names behind the plan digest.
func (s *store) objects(t testing.TB, host string) (all []object) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.rclone(t, "lsjson", "--files-only", "--metadata", ":s3:images/wave-1/"+host)), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// receipt is what NAME.export.json says.
type receipt struct {
	Host, Disk, Image, Manifest, Preflight, T0, SHA256, Verdict string
	PlanDigest                                                  string `json:"plan_digest"`
	Size                                                        int64
	Machine                                                     map[string]string // images by disk
	Consistency                                                 struct{ Level string }
	Verified                                                    struct{ How, Verdict string }
}

// receipts are those of a host, the oldest first.
func (s *store) receipts(t testing.TB, host string) (all []receipt) {
	t.Helper()
	for _, o := range s.objects(t, host) {
		if !strings.HasSuffix(o.Path, ".export.json") {
			continue
		}
		var r receipt
		if err := json.Unmarshal([]byte(s.rclone(t, "cat", ":s3:images/wave-1/"+host+"/"+o.Path)), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// begun are the objects of which parts have been sent and not all.
func (s *store) begun(t testing.TB) (keys []string) {
	t.Helper()
	var all map[string][]struct{ Key string }
	if err := json.Unmarshal([]byte(s.rclone(t, "backend", "list-multipart-uploads", ":s3:images")), &all); err != nil {
		t.Fatal(err)
	}
	for _, uploads := range all {
		for _, u := range uploads {
			keys = append(keys, u.Key)
		}
	}
	return keys
}

// fetched is a copy of an object.
func (s *store) fetched(t testing.TB, host, name string) string {
	t.Helper()
	path := filepath.Join(s.dir, "tmp", host+"-"+name)
	s.rclone(t, "copyto", ":s3:images/wave-1/"+host+"/"+name, path)
	t.Cleanup(func() { os.Remove(path) })
	return path
}
