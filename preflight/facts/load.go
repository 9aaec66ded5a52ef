package facts

import (
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Load is what the running system writes to the disk.
type Load struct {
	// Databases are programs that run and keep files which a copy of their
	// moment alone does not hold together, by their name.
	Databases []string
	// WriteRate is in bytes a second, over the time since the machine started; -1
	// where it is not known.
	WriteRate int64
}

// databases are the names of processes (15 letters, as the kernel cuts them).
var databases = map[string]string{"postgres": "PostgreSQL", "postmaster": "PostgreSQL", "mysqld": "MySQL", "mariadbd": "MariaDB", "mongod": "MongoDB",
	"redis-server": "Redis", "valkey-server": "Valkey", "etcd": "etcd", "clickhouse-serv": "ClickHouse", "influxd": "InfluxDB", "slapd": "OpenLDAP",
	"cockroach": "CockroachDB", "ns-slapd": "389 Directory Server", "firebird": "Firebird", "sqlservr": "SQL Server", "db2sysc": "Db2", "qemu-system-x86": "virtual machines"}

// maxProcesses bounds the processes that are looked at.
const maxProcesses = 100_000

// load looks at the machine's own processes and counters, if the disk's
// filesystems are mounted for writing there.
func (g *gatherer) load() {
	g.f.Load.WriteRate = -1
	if !slices.ContainsFunc(g.src.Mounts, func(m Mount) bool { return m.ReadWrite }) {
		return
	}
	g.f.Load.WriteRate = writeRate(g.src)
	dir, err := os.Open(g.src.proc())
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(maxProcesses) // a part is better than nothing: it only adds to a warning
	seen := map[string]bool{}
	for _, n := range names {
		if _, err := strconv.Atoi(n); err != nil {
			continue
		}
		comm, err := os.ReadFile(path.Join(g.src.proc(), n, "comm"))
		if err != nil {
			continue // it ended
		}
		c := strings.TrimSpace(string(comm))
		what := databases[c]
		switch {
		case strings.HasPrefix(c, "ora_pmon_"):
			what = "Oracle"
		case c == "java" && javaDatabase(path.Join(g.src.proc(), n, "cmdline")):
			what = "Elasticsearch"
		}
		if what != "" {
			seen[what] = true
		}
	}
	g.f.Load.Databases = slices.Sorted(maps.Keys(seen))
}

// javaDatabase says whether a Java program is one of the search engines. Only
// the answer is kept: command lines hold passwords.
func javaDatabase(file string) bool {
	b, err := os.ReadFile(file)
	return err == nil && (strings.Contains(string(b), "org.elasticsearch") || strings.Contains(string(b), "org.opensearch"))
}

// writeRate is the mean since the machine started: sectors of 512 bytes
// (Linux, Documentation/admin-guide/iostats.rst, field 7) over the uptime.
func writeRate(src *Source) int64 {
	b, err := os.ReadFile(path.Join(src.proc(), "diskstats"))
	up, err2 := os.ReadFile(path.Join(src.proc(), "uptime"))
	if err != nil || err2 != nil {
		return -1
	}
	seconds, err := strconv.ParseFloat(strings.Split(string(up)+" ", " ")[0], 64)
	if err != nil || seconds < 1 {
		return -1
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[2] != strings.TrimPrefix(src.Device, "/dev/") {
			continue
		}
		if n, err := strconv.ParseInt(f[9], 10, 64); err == nil && n >= 0 && n < 1<<53 {
			return int64(float64(n) * 512 / seconds)
		}
	}
	return -1
}
