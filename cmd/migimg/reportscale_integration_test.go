//go:build integration

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"migimg/internal/fleet"
)

// Thousands of reports are merged in little time and memory, as the time and memory
// of the process are counted by the kernel. MIGIMG_FLEET is how many, MIGIMG_FLEET_TARGETS for
// how many targets each; make bench-merge prints the figures.
func TestReportScale(t *testing.T) {
	hosts, more := 5000, 0
	if s := os.Getenv("MIGIMG_FLEET"); s != "" {
		hosts, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("MIGIMG_FLEET_TARGETS"); s != "" {
		more, _ = strconv.Atoi(s)
		more = max(0, more-2)
	}
	var ids []string
	for i := range more {
		ids = append(ids, "target"+strconv.Itoa(i))
	}
	dir := tempDir(t)
	in, out := filepath.Join(dir, "reports"), filepath.Join(dir, "merged")
	if err := os.Mkdir(in, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := fleet.Write(in, "../../preflight/testdata", fleet.Options{Hosts: hosts, Targets: ids}); err != nil {
		t.Fatal(err)
	}
	var bytes int64
	files, _ := os.ReadDir(in)
	for _, f := range files {
		if st, err := f.Info(); err == nil {
			bytes += st.Size()
		}
	}
	cmd := exec.Command(program, "report", "--merge", in, "--output", out, "--fail-on", "never")
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	start := time.Now()
	most, err := peak(cmd)
	took := time.Since(start)
	if err != nil || !strings.Contains(said.String(), strconv.Itoa(hosts)+" hosts") {
		t.Fatalf("%v\n%s", err, said.String())
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	sizes := ""
	for _, name := range []string{"fleet.html", "fleet.csv", "fleet.json"} {
		st, err := os.Stat(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		sizes += " | " + human(st.Size())
	}
	t.Logf("| %d | %d | %s | %.1f | %.1f | %d%s |", hosts, more+2, human(bytes), took.Seconds(), cpu.Seconds(), most, sizes)
	if os.Getenv("MIGIMG_FLEET") == "" {
		// The wall clock is the machine's, which may be busy; two processors are there.
		if cpu > 20*time.Second {
			t.Errorf("%.1f s of processor time, at most 20", cpu.Seconds())
		}
		if most > 500 {
			t.Errorf("%d MiB, at most 500", most)
		}
	}
}
