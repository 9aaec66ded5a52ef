package mounttable

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Namespace is the table of a mount namespace, as a process in it sees it.
type Namespace struct {
	// Process is that one's folder in /proc.
	Process string
	// Foreign says that Points are neither our paths nor PID 1's: they are below
	// Process/root.
	Foreign bool
	Rows    []Row
}

// All reads the tables of PID 1, of this process and of every other mount namespace in
// which there is a process: what a service or a container alone has mounted is in no
// other. proc is /proc.
func All(proc string) ([]Namespace, error) {
	var out []Namespace
	seen := map[string]bool{}
	add := func(n Namespace, must bool) error {
		space, err := os.Readlink(filepath.Join(n.Process, "ns/mnt"))
		if err == nil && seen[space] || err != nil && n.Foreign {
			return nil
		}
		if n.Rows, err = Read(filepath.Join(n.Process, "mountinfo")); err != nil {
			if must {
				return fmt.Errorf("reading the mount table: %w", err)
			}
			return nil // the process has ended; what only it had mounted is not any more
		}
		if space != "" {
			seen[space] = true
		}
		out = append(out, n)
		return nil
	}
	one := filepath.Join(proc, "1")
	f, err := os.Open(filepath.Join(one, "mountinfo"))
	hidden := err != nil
	if !hidden {
		f.Close()
		if err := add(Namespace{Process: one}, true); err != nil {
			return nil, err
		}
	}
	if err := add(Namespace{Process: filepath.Join(proc, "self")}, hidden); err != nil {
		return nil, err
	}
	processes, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	for _, p := range processes {
		if _, err := strconv.Atoi(p.Name()); err == nil {
			_ = add(Namespace{Process: filepath.Join(proc, p.Name()), Foreign: true}, false)
		}
	}
	return out, nil
}
