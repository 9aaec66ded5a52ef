//go:build integration

package main

import (
	"bufio"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"migimg/internal/child"
	"migimg/internal/need"
)

// s3server is a versitygw with a folder of its own, and the environment by which
// clients find it. No configuration of the machine's or the user's counts.
type s3server struct {
	endpoint string
	dir      string // the clients' files for the time being, and the server's log
	env      []string
}

// startS3 starts a server that ends with the test, or with the process of the test
// if that is killed.
func startS3(t *testing.T) *s3server {
	t.Helper()
	need.Tool(t, "versitygw")
	dir := tempDir(t)
	for _, d := range []string{"data", "sidecar", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	secret := rand.Text() // no other server on the port would take it
	for range 5 {         // until nobody else has taken the port meanwhile
		address := freePort(t)
		cmd := exec.Command("versitygw", "--port", address, "--health", "/health", "posix",
			"--sidecar", filepath.Join(dir, "sidecar"), filepath.Join(dir, "data"))
		cmd.Env = append(clean(os.Environ()), "ROOT_ACCESS_KEY=migimg", "ROOT_SECRET_KEY="+secret)
		cmd.Stdout, cmd.Stderr = log, log
		ended := child.Start(t, cmd)
		if !answers("http://"+address+"/health", ended) {
			continue
		}
		s := &s3server{endpoint: "http://" + address, dir: dir}
		s.env = append(clean(os.Environ()), "LC_ALL=C", "NO_PROXY=127.0.0.1", "TMPDIR="+filepath.Join(dir, "tmp"),
			"AWS_ACCESS_KEY_ID=migimg", "AWS_SECRET_ACCESS_KEY="+secret, "AWS_DEFAULT_REGION=us-east-1",
			"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
			"AWS_CONFIG_FILE="+filepath.Join(dir, "aws.config"), "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
			"RCLONE_CONFIG=/dev/null", "RCLONE_S3_ENV_AUTH=true", "RCLONE_S3_REGION=us-east-1", "RCLONE_S3_ENDPOINT="+s.endpoint,
			"ENDPOINT="+s.endpoint, "PART=10") // of s3-resume.sh
		t.Cleanup(func() {
			if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
				t.Logf("the server's last lines:\n%s", b[max(0, len(b)-4000):])
			}
		})
		return s
	}
	b, _ := os.ReadFile(log.Name())
	t.Fatalf("versitygw does not start:\n%s", b)
	return nil
}

// clean is an environment without what clients of S3 would take from it.
func clean(env []string) (out []string) {
	for _, e := range env {
		name, _, _ := strings.Cut(strings.ToUpper(e), "=")
		if !strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "RCLONE_") && !strings.HasPrefix(name, "VGW_") && !strings.HasSuffix(name, "_PROXY") {
			out = append(out, e)
		}
	}
	return out
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// answers waits until a server says that it is well, or has ended.
func answers(url string, ended <-chan error) bool {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 600 {
		select {
		case <-ended:
			return false
		case <-time.After(50 * time.Millisecond):
		}
		if r, err := client.Get(url); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return true
			}
		}
	}
	return false
}

// try runs a client and returns what it said on stdout; the error holds all of it.
func (s *s3server) try(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = s.env, s.dir
	return child.Output(t, cmd)
}

func (s *s3server) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := s.try(t, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// aws runs the AWS CLI.
func (s *s3server) aws(t *testing.T, args ...string) string {
	t.Helper()
	return s.run(t, "aws", append([]string{"--endpoint-url", s.endpoint}, args...)...)
}

// rclone runs rclone with parts of 5 MiB, four at a time.
func (s *s3server) rclone(t *testing.T, args ...string) string {
	t.Helper()
	return s.run(t, "rclone", append(rcloneFlags(), args...)...)
}

func rcloneFlags() []string {
	return []string{"--s3-provider", "Other", "--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi", "--s3-upload-concurrency", "4"}
}

// killedAt runs a client until it says something and kills it there, with all
// that it has started. It returns the line.
func (s *s3server) killedAt(t *testing.T, says string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = w, w, s.env, s.dir
	ended := child.Start(t, cmd)
	go func() {
		<-ended
		_ = w.Close()
	}()
	line, all := "", ""
	timer := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		all += lines.Text() + "\n"
		if line == "" && strings.Contains(lines.Text(), says) {
			line = lines.Text()
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	}
	if line == "" {
		t.Fatalf("%s %s never said %q:\n%s", name, strings.Join(args, " "), says, all)
	}
	eventually(t, "the end of "+name, func() bool { return syscall.Kill(-cmd.Process.Pid, 0) == syscall.ESRCH })
	return line
}
