package boot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"migimg/verify/tool"
)

// Image is what to start.
type Image struct {
	// Path and Format are the file's and verify's word for its format.
	Path, Format string
	// Disk is the disk in it, of Size bytes: for its partition table and boot code.
	Disk io.ReaderAt
	Size int64
}

// Options of a start. The zero value is ready.
type Options struct {
	Wish Wish
	// Timeout is how long a verdict is waited for, 5 minutes by default.
	Timeout time.Duration
	// Dir takes what is kept (console.log, screen.txt, screen.png) and the overlay;
	// it must exist. Empty: the overlay lies below TMPDIR, and only what a start that
	// did not pass has shown is kept, in a directory of its own there.
	Dir string
	// Progress is told how far it is, now and then.
	Progress func(reached Stage, m Machine, since time.Duration)
}

const (
	// tick is how often the console is read, screenTick how often the screen.
	tick       = 250 * time.Millisecond
	screenTick = 1500 * time.Millisecond
)

// Run starts an image and waits for the verdict. An error says that none could be
// had: it wraps [tool.ErrNotInstalled] where a program or firmware is not there, or is
// the context's. The guest is gone when Run returns.
func Run(ctx context.Context, im Image, o Options) (*Result, error) {
	q, err := tool.FindQemuSystem()
	if err != nil {
		return nil, err
	}
	m, err := Choose(im.Disk, im.Size, o.Wish)
	if err != nil {
		return nil, err
	}
	kvm, why, err := q.KVM(ctx)
	if err != nil {
		return nil, err
	}
	m.Accelerator, m.AccelWhy = "tcg", why
	if kvm {
		m.Accelerator = "kvm"
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	g, err := q.Start(ctx, tool.Guest{Image: im.Path, Format: im.Format, UEFI: m.Firmware == UEFI, Disk: m.Bus, NIC: m.NIC, KVM: kvm, Dir: o.Dir})
	if err != nil {
		return nil, err
	}
	s := &session{guest: g, watch: newWatch(o.Timeout), start: time.Now()}
	err = s.follow(ctx, func(since time.Duration) {
		if o.Progress != nil {
			o.Progress(s.watch.reached, m, since)
		}
	})
	r := s.watch.result(time.Since(s.start), m)
	if err == nil {
		err = s.keep(r, o.Dir)
	}
	if err := errors.Join(err, g.Stop()); err != nil {
		return nil, err
	}
	return r, nil
}

// session is a guest that is being watched.
type session struct {
	guest *tool.Running
	watch *watch
	start time.Time

	log     limited // of the console
	picture time.Time
}

// follow looks at the guest until the verdict stands.
func (s *session) follow(ctx context.Context, progress func(time.Duration)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	banners := make(chan string, 1)
	go greet(ctx, s.guest.SSHPort, banners)
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		l := look{console: s.guest.Console.Next(), firmware: s.guest.Firmware.Next(), packets: s.guest.Packets.Next()}
		s.log.Write(l.console)
		select {
		case l.banner = <-banners:
		default:
		}
		var err error
		if l.state, l.resets, err = s.guest.State(); err != nil {
			return errors.Join(ctx.Err(), err)
		}
		if time.Since(s.picture) >= screenTick {
			if _, l.screen, err = s.screen(); err != nil {
				return errors.Join(ctx.Err(), err)
			}
			l.graphics = l.screen == nil
			s.picture = time.Now()
		}
		since := time.Since(s.start)
		if s.watch.look(since, l) {
			return nil
		}
		progress(since)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// screen is the guest's screen as a pixmap, and its text; nil where it is not in text
// mode.
func (s *session) screen() (ppm []byte, text []string, err error) {
	if ppm, err = s.guest.Screen(); err != nil {
		return nil, nil, err
	}
	m, err := pixmap(ppm)
	if err != nil || !textMode(m.Bounds()) {
		return ppm, nil, err
	}
	b, err := s.guest.Memory(textMemory, textMemorySize)
	return ppm, rows(b), err
}

// greet reads the greeting of the guest's SSH server (RFC 4253, section 4.2). QEMU
// takes the connection and drops it where nobody answers in the guest.
func greet(ctx context.Context, port int, banners chan<- string) {
	for ctx.Err() == nil {
		if b := greeting(ctx, port); b != "" {
			banners <- b
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

func greeting(ctx context.Context, port int) string {
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	// Its answer takes a while where the processor is emulated and busy.
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, _ := bufio.NewReader(io.LimitReader(conn, 4<<10)).ReadString('\n')
	if !strings.HasPrefix(line, "SSH-") {
		return ""
	}
	return strings.TrimSpace(line)
}
