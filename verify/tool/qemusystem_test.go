package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestGuestArguments(t *testing.T) {
	for _, bus := range DiskBuses() {
		for _, nic := range NICModels() {
			args, err := Guest{Disk: bus, NIC: nic}.arguments("driver=raw,file.filename=a,,b", [2]string{})
			if err != nil {
				t.Fatalf("%s, %s: %v", bus, nic, err)
			}
			all := strings.Join(args, " ")
			for _, part := range []string{"restrict=on", "snapshot=on", "drive=disk", "accel=tcg", "file.filename=a,,b,if=none", "-device isa-vga"} {
				if !strings.Contains(all, part) {
					t.Errorf("%s, %s: no %q in %s", bus, nic, part, all)
				}
			}
		}
	}
	args, err := Guest{Disk: "nvme", NIC: "e1000", UEFI: true, KVM: true}.arguments("x", [2]string{"/a,b", "/c"})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(args, " ")
	for _, part := range []string{"accel=kvm", "-cpu host", "readonly=on,file=/a,,b", "snapshot=on,file=/c"} {
		if !strings.Contains(all, part) {
			t.Errorf("no %q in %s", part, all)
		}
	}
	for _, g := range []Guest{{Disk: "floppy", NIC: "e1000"}, {Disk: "ide", NIC: "token-ring"}, {}} {
		if _, err := g.arguments("", [2]string{}); err == nil {
			t.Errorf("%+v is taken", g)
		}
	}
}

func TestFindOVMF(t *testing.T) {
	etc, usr := t.TempDir(), t.TempDir()
	old := firmwareDirs
	t.Cleanup(func() { firmwareDirs = old })
	firmwareDirs = []string{etc, usr}
	if _, err := findOVMF(); !errors.Is(err, ErrNotInstalled) {
		t.Fatalf("nothing there: %v", err)
	}
	write := func(path, text string) string {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	vars := write(filepath.Join(usr, "vars"), "")
	describe := func(dir, name, code, features string) {
		write(filepath.Join(dir, name), fmt.Sprintf(`{"interface-types":["uefi"],"mapping":{"device":"flash","executable":{"filename":%q,"format":"raw"},
			"nvram-template":{"filename":%q,"format":"raw"}},"targets":[{"architecture":"x86_64"}],"features":[%s]}`, code, vars, features))
	}
	describe(usr, "10-secure.json", write(filepath.Join(usr, "secure"), ""), `"secure-boot","requires-smm"`)
	describe(usr, "20-gone.json", filepath.Join(usr, "gone"), "")
	write(filepath.Join(usr, "30-broken.json"), "{")
	describe(usr, "60-plain.json", write(filepath.Join(usr, "plain"), ""), `"acpi-s3"`)
	if got, err := findOVMF(); err != nil || got != [2]string{filepath.Join(usr, "plain"), vars} {
		t.Errorf("%q, %v", got, err)
	}
	describe(etc, "60-plain.json", write(filepath.Join(etc, "mine"), ""), "")
	if got, err := findOVMF(); err != nil || got[0] != filepath.Join(etc, "mine") {
		t.Errorf("%q, %v: the administrator's goes first", got, err)
	}
}

// monitor answers as QEMU does.
func monitor(conn net.Conn, answers map[string]string) {
	in := json.NewDecoder(conn)
	fmt.Fprintln(conn, `{"QMP": {"version": {}, "capabilities": []}}`)
	for {
		var c struct{ Execute string }
		if in.Decode(&c) != nil {
			return
		}
		a, ok := answers[c.Execute]
		if !ok {
			a = `{"error": {"class": "CommandNotFound", "desc": "there is none"}}`
		}
		fmt.Fprintln(conn, a)
	}
}

func TestQMP(t *testing.T) {
	mine, theirs := net.Pipe()
	go monitor(theirs, map[string]string{
		"qmp_capabilities": `{"return": {}}`,
		"query-status": `{"event": "RESET", "data": {"guest": true, "reason": "guest-reset"}}
{"event": "RESET", "data": {"guest": false}}
{"return": {"status": "running"}}`,
	})
	q, err := newQMP(mine)
	if err != nil {
		t.Fatal(err)
	}
	r := &Running{qmp: q}
	state, resets, err := r.State()
	if err != nil || state != "running" || resets != 1 {
		t.Errorf("%q, %d resets, %v", state, resets, err)
	}
	if err := q.do("nonsense", nil, nil); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("an error: %v", err)
	}
	theirs.Close()
	if err := q.do("query-status", nil, nil); err == nil {
		t.Error("an answer of a connection that is gone")
	}
}

func TestStream(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := newStream(r)
	const n = 3*streamRoom + 12345
	go func() {
		_, _ = io.Copy(w, io.LimitReader(zeros{}, n)) // waits where nobody reads
		w.Close()
	}()
	got := 0
	for got < n {
		b := s.Next()
		if len(b) > streamRoom+64<<10 {
			t.Fatalf("%d bytes were kept", len(b))
		}
		got += len(b)
	}
	<-s.ended
	if b := s.Next(); b != nil || got != n {
		t.Errorf("%d bytes of %d, and %d more", got, n, len(b))
	}
	s.close()
	if r, w, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	s = newStream(r)
	s.close() // does not wait for the writer
	w.Close()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestForwardedPort(t *testing.T) {
	const text = "Hub -1 (net):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n" +
		"  TCP[HOST_FORWARD]  12       127.0.0.1 40359       10.0.2.15    22     0     0\r\n"
	if m := forward.FindStringSubmatch(text); !slices.Contains(m, "40359") {
		t.Errorf("%q", m)
	}
}
