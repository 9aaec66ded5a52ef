//go:build integration

package tool

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"migimg/internal/need"
)

// TestProbe: the firmware that tells a KVM which works does its work where the
// processor is emulated, and is not taken for done where it has no time.
func TestProbe(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	q, err := FindQemuSystem()
	if err != nil {
		t.Fatal(err)
	}
	took, err := q.probe(t.Context(), "tcg", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if took, err := q.probe(t.Context(), "tcg", time.Millisecond); err == nil {
		t.Errorf("done within %v", took)
	}
	works, why, err := q.KVM(t.Context())
	t.Logf("tcg: %v; kvm: %v, %s", took, works, why)
	if err != nil || why == "" {
		t.Errorf("%v, %q", err, why)
	}
}

// TestRunning: a guest without anything to start says so, and leaves nothing.
func TestRunning(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	q, err := FindQemuSystem()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "a,b.img")
	// A boot sector that writes to the disk it came from, and stops.
	sector := make([]byte, 1<<20)
	copy(sector, []byte{
		0x31, 0xc0, 0x8e, 0xc0, // xor ax, ax; mov es, ax
		0xbb, 0x00, 0x7c, // mov bx, 7c00h
		0xb8, 0x01, 0x03, 0xb9, 0x02, 0x00, 0xb6, 0x00, // mov ax, 0301h; mov cx, 2; mov dh, 0
		0xcd, 0x13, // int 13h: the sector after this one
		0x72, 0x06, // jc behind the next three: nothing is said
		0xba, 0xf8, 0x03, 0xb0, 'W', 0xee, // mov dx, 3f8h; mov al, 'W'; out dx, al
		0xf4, 0xeb, 0xfd, // hlt; jmp to it
	})
	copy(sector[510:], []byte{0x55, 0xaa})
	if err := os.WriteFile(image, sector, 0o400); err != nil {
		t.Fatal(err)
	}
	for _, bus := range DiskBuses() {
		r, err := q.Start(t.Context(), Guest{Image: image, Format: "raw", Disk: bus, NIC: "e1000", Dir: dir})
		if err != nil {
			t.Fatalf("%s: %v", bus, err)
		}
		var console, firmware []byte
		for range 600 {
			console, firmware = append(console, r.Console.Next()...), append(firmware, r.Firmware.Next()...)
			if len(console) > 0 {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if string(console) != "W" || !bytes.Contains(firmware, []byte("SeaBIOS (version")) {
			t.Errorf("%s: the guest's console %q, the firmware: %q", bus, console, firmware)
		}
		if state, resets, err := r.State(); err != nil || state != "running" || resets != 0 {
			t.Errorf("%s: %q, %d resets, %v", bus, state, resets, err)
		}
		if b, err := r.Screen(); err != nil || !bytes.HasPrefix(b, []byte("P6\n720 400\n255\n")) {
			t.Errorf("%s: the screen: %.20q, %v", bus, b, err)
		}
		if b, err := r.Memory(0x7c00, 4); err != nil || !bytes.Equal(b, sector[:4]) {
			t.Errorf("%s: memory: % x, %v", bus, b, err)
		}
		if bus == "virtio-blk" {
			if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
				t.Errorf("beside the image: %v, %v", files, err)
			}
		}
		if err := r.Stop(); err != nil {
			t.Errorf("%s: %v", bus, err)
		}
	}
	b, err := os.ReadFile(image)
	if err != nil || sha256.Sum256(b) != sha256.Sum256(sector) {
		t.Errorf("the image was written, or: %v", err)
	}
	_, err = q.Start(t.Context(), Guest{Image: image, Format: "qcow2", Disk: "ide", NIC: "e1000", Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "qcow2") {
		t.Errorf("not in the format: %v", err)
	}
}
