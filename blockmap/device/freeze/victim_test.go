package freeze

import (
	"context"
	"fmt"
	"os"
	"time"
)

// victim freezes the given mount points, tells on stdout what it does, and behaves as
// how says until it is killed.
func victim(how string, points []string) {
	if how == "emergency" {
		got, err := Emergency(points)
		must(err)
		fmt.Println(got)
		return
	}
	o := Options{Limit: 20 * time.Second}
	if how == "deadline" {
		o.Limit = 300 * time.Millisecond
	}
	var fss []Filesystem
	for _, p := range points {
		fss = append(fss, Filesystem{Point: p})
	}
	f, err := Prepare(context.Background(), fss, o)
	must(err)
	fmt.Println("ready", f.dog.Pid)
	for {
		m, err := f.Freeze()
		must(err)
		fmt.Println("frozen", m.T0.UnixNano())
		switch how {
		case "loop":
			time.Sleep(5 * time.Millisecond)
			must(f.Thaw())
			continue
		case "panic":
			panic("on purpose")
		case "exit":
			os.Exit(3)
		}
		time.Sleep(time.Minute)
	}
}

func must(err error) {
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
}
