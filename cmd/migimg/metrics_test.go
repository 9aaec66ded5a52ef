package main

import (
	"bytes"
	"maps"
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"migimg/blockmap"
	"migimg/blockmap/device"
)

// busyStatus is one with everything in it, and with names that are hard to print.
func busyStatus() *status {
	return &status{
		Version: "v1", PID: 1, Started: time.Unix(1000, 5e8), T0: time.Unix(999, 0),
		Source:      sourceStatus{Device: "/dev/\"odd\\disk\n", Size: 1 << 40},
		Consistency: consistency{Level: levelPinned},
		Map:         mapStatus{CarriedBytes: 1 << 30},
		Files:       []fileStatus{{Path: "disk.qcow2", Format: "qcow2", Size: 1000}, {Path: "disk.raw", Format: "raw", Size: 2000}},
		Volumes:     []volumeFile{{Path: "partitions/p1-ext4.raw", Size: 500}},
		Reads: readsStatus{
			Open: 2, ServedBytes: 700, Device: device.Stats{Bytes: 9007199254740992, Requests: 3}, Failed: 4,
			Files:  []fileReads{{Path: "disk.raw", Bytes: 700, Errors: 4}},
			Errors: []unreadable{{Range: blockmap.Range{Off: 0, Len: 4096}}}, MoreErrors: 512,
		},
		Readers: []readerStatus{
			{File: "disk.raw", PID: 7, Command: "cp", Bytes: 700, Share: 0.35, Handles: 1},
			{File: "disk.raw", PID: 8, Command: "\"\\\xff", Handles: 1},
		},
		Drifted: driftFigures{State: "tracked", Bytes: 8192, Files: 1},
		Load:    loadStatus{Paused: true, BWLimit: 1 << 20},
	}
}

// parsed are the metrics as Prometheus reads them.
func parsed(t testing.TB, text []byte) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	return families
}

// sampleOf is the value of the family's only sample with these labels.
func sampleOf(t testing.TB, families map[string]*dto.MetricFamily, name string, labels map[string]string) float64 {
	t.Helper()
	var found []float64
	for _, m := range families[name].GetMetric() {
		have := map[string]string{}
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		match := true
		for k, v := range labels {
			match = match && have[k] == v
		}
		if match {
			found = append(found, m.GetGauge().GetValue()+m.GetCounter().GetValue())
		}
	}
	if len(found) != 1 {
		t.Errorf("%s: %d samples with %v", name, len(found), labels)
		return -1
	}
	return found[0]
}

func TestMetrics(t *testing.T) {
	var b bytes.Buffer
	if err := writeMetrics(&b, busyStatus(), "/mnt/migimg"); err != nil {
		t.Fatal(err)
	}
	families := parsed(t, b.Bytes())
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"migimg_mount_info", map[string]string{"disk": "/dev/\"odd\\disk\n", "mountpoint": "/mnt/migimg", "version": "v1", "consistency": "pinned"}, 1},
		{"migimg_mount_start_time_seconds", nil, 1000.5},
		{"migimg_t0_timestamp_seconds", nil, 999},
		{"migimg_device_size_bytes", nil, 1 << 40},
		{"migimg_carried_bytes", nil, 1 << 30},
		{"migimg_stale", nil, 0},
		{"migimg_paused", nil, 1},
		{"migimg_bandwidth_limit_bytes", nil, 1 << 20},
		{"migimg_open_files", nil, 2},
		{"migimg_served_bytes_total", nil, 700},
		{"migimg_device_read_bytes_total", nil, 1 << 53},
		{"migimg_device_reads_total", nil, 3},
		{"migimg_read_errors_total", nil, 4},
		{"migimg_unreadable_bytes", nil, 4608},
		{"migimg_drift_known", nil, 1},
		{"migimg_drift_bytes", nil, 8192},
		{"migimg_drift_files", nil, 1},
		{"migimg_file_size_bytes", map[string]string{"file": "disk.qcow2", "format": "qcow2"}, 1000},
		{"migimg_file_size_bytes", map[string]string{"file": "partitions/p1-ext4.raw", "format": "raw"}, 500},
		{"migimg_file_read_bytes_total", map[string]string{"file": "disk.raw"}, 700},
		{"migimg_file_read_bytes_total", map[string]string{"file": "disk.qcow2"}, 0},
		{"migimg_file_read_errors_total", map[string]string{"file": "disk.raw"}, 4},
		{"migimg_reader_read_bytes_total", map[string]string{"file": "disk.raw", "command": "cp", "pid": "7"}, 700},
		{"migimg_reader_progress_ratio", map[string]string{"command": "cp"}, 0.35},
		{"migimg_reader_progress_ratio", map[string]string{"command": "\"\\?"}, 0},
	} {
		if got := sampleOf(t, families, c.name, c.labels); got != c.want {
			t.Errorf("%s %v is %v, want %v", c.name, c.labels, got, c.want)
		}
		for _, m := range families[c.name].GetMetric() {
			if l := m.GetLabel(); l[0].GetName() != "disk" || l[1].GetName() != "mountpoint" {
				t.Errorf("%s lacks the labels that tell mounts apart: %v", c.name, l)
			}
		}
		families[c.name].Help = nil
	}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if families[name].Help != nil {
			t.Errorf("%s is not tested", name)
		}
	}
}

// What is not known is no number.
func TestMetricsOfWhatIsUnknown(t *testing.T) {
	s := busyStatus()
	s.Drifted = driftFigures{State: "unknown"}
	s.Readers, s.Load = nil, loadStatus{}
	s.Consistency.Level = levelStale
	var b bytes.Buffer
	if err := writeMetrics(&b, s, "/mnt/migimg"); err != nil {
		t.Fatal(err)
	}
	families := parsed(t, b.Bytes())
	if sampleOf(t, families, "migimg_drift_known", nil) != 0 || sampleOf(t, families, "migimg_stale", nil) != 1 {
		t.Error(b.String())
	}
	for _, name := range []string{"migimg_drift_bytes", "migimg_drift_files", "migimg_reader_read_bytes_total", "migimg_bandwidth_limit_bytes"} {
		if families[name] != nil {
			t.Errorf("%s is there", name)
		}
	}
}
