package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// metric is a family of samples in Prometheus' text exposition format, version 0.0.4.
type metric struct {
	name, kind, help string
	samples          []metricSample
}

type metricSample struct {
	labels []string // names and values in turn
	value  float64
}

// add adds a sample; its labels must be those of no other.
func (m *metric) add(value float64, labels ...string) *metric {
	m.samples = append(m.samples, metricSample{labels, value})
	return m
}

// writeMetrics prints the status for a collector. All samples have the labels disk and
// mountpoint, so that those of several mounts of a machine are apart. What is not known
// has no sample.
func writeMetrics(w io.Writer, s *status, point string) error {
	abs, err := filepath.Abs(point)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, m := range s.metrics() {
		m.write(&b, "disk", s.Source.Device, "mountpoint", abs)
	}
	_, err = w.Write(b.Bytes())
	return err
}

func (m *metric) write(b *bytes.Buffer, common ...string) {
	if len(m.samples) == 0 {
		return
	}
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
	for _, s := range m.samples {
		b.WriteString(m.name + "{")
		labels := append(common[:len(common):len(common)], s.labels...)
		for i := 0; i < len(labels); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(labels[i] + `="` + labelEscapes.Replace(strings.ToValidUTF8(labels[i+1], "?")) + `"`)
		}
		b.WriteString("} " + strconv.FormatFloat(s.value, 'f', -1, 64) + "\n")
	}
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func gauge(name, help string) *metric   { return &metric{name: name, kind: "gauge", help: help} }
func counter(name, help string) *metric { return &metric{name: name, kind: "counter", help: help} }

func (s *status) metrics() []*metric {
	out := []*metric{
		gauge("migimg_mount_info", "What is mounted; always 1.").add(1, "version", s.Version, "consistency", s.Consistency.Level),
		gauge("migimg_mount_start_time_seconds", "When the mount was made, since the epoch.").add(epoch(s.Started)),
		gauge("migimg_t0_timestamp_seconds", "The moment that the images stand for, since the epoch.").add(epoch(s.T0)),
		gauge("migimg_device_size_bytes", "Size of the device.").add(float64(s.Source.Size)),
		gauge("migimg_carried_bytes", "What of the device the images carry.").add(float64(s.Map.CarriedBytes)),
		gauge("migimg_stale", "1 if the images cannot be read any more, for what was to stay frozen was thawed.").add(truth(s.Consistency.Level == levelStale)),
		gauge("migimg_paused", "1 while readers wait for migimg resume.").add(truth(s.Load.Paused)),
		gauge("migimg_open_files", "Handles of images that are open.").add(float64(s.Reads.Open)),
		counter("migimg_served_bytes_total", "What was given to readers of images.").add(float64(s.Reads.ServedBytes)),
		counter("migimg_device_read_bytes_total", "What was read from the device.").add(float64(s.Reads.Device.Bytes)),
		counter("migimg_device_reads_total", "Requests by which that was read.").add(float64(s.Reads.Device.Requests)),
		counter("migimg_read_errors_total", "Reads of images that failed.").add(float64(s.Reads.Failed)),
		gauge("migimg_unreadable_bytes", "What of the device could not be read.").add(float64(s.unreadable())),
	}
	if s.Load.BWLimit > 0 {
		out = append(out, gauge("migimg_bandwidth_limit_bytes", "How much may be read from the device in a second.").add(float64(s.Load.BWLimit)))
	}
	return append(append(out, s.driftMetrics()...), s.fileMetrics()...)
}

func (s *status) driftMetrics() []*metric {
	known := s.Drifted.State != "unknown"
	out := []*metric{gauge("migimg_drift_known", "1 if it is known what of the images is newer than T0.").add(truth(known))}
	if known {
		out = append(out,
			gauge("migimg_drift_bytes", "What was given to readers and is newer than T0.").add(float64(s.Drifted.Bytes)),
			gauge("migimg_drift_files", "Files of the disk that it belongs to.").add(float64(s.Drifted.Files)))
	}
	return out
}

// fileMetrics are those of each file, and of each process that reads one.
func (s *status) fileMetrics() []*metric {
	size := gauge("migimg_file_size_bytes", "Size of an image.")
	read := counter("migimg_file_read_bytes_total", "What was given to readers of a file.")
	failed := counter("migimg_file_read_errors_total", "Reads of a file that failed.")
	format := map[string]string{}
	for _, f := range s.Files {
		format[f.Path] = f.Format
		size.add(float64(f.Size), "file", f.Path, "format", f.Format)
	}
	for _, f := range s.Volumes {
		format[f.Path] = "raw"
		size.add(float64(f.Size), "file", f.Path, "format", "raw")
	}
	done := map[string]fileReads{}
	for _, f := range s.Reads.Files {
		done[f.Path] = f
	}
	for _, x := range size.samples { // those that nobody has read yet, too
		f := done[x.labels[1]]
		read.add(float64(f.Bytes), x.labels...)
		failed.add(float64(f.Errors), x.labels...)
	}
	bytes := counter("migimg_reader_read_bytes_total", "What was given to a process that has a file open.")
	share := gauge("migimg_reader_progress_ratio", "How far through the file it is, from 0 to 1.")
	for _, r := range s.Readers {
		labels := []string{"file", r.File, "format", format[r.File], "command", r.Command, "pid", strconv.Itoa(r.PID)}
		bytes.add(float64(r.Bytes), labels...)
		share.add(r.Share, labels...)
	}
	return []*metric{size, read, failed, bytes, share}
}

// unreadable is how many bytes of the device could not be read.
func (s *status) unreadable() int64 {
	n := s.Reads.MoreErrors
	for _, e := range s.Reads.Errors {
		n += e.Len
	}
	return n
}

// epoch is in seconds since the epoch.
func epoch(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
