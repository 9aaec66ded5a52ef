package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// progressDelay is how long a job may take without a word.
const progressDelay = 2 * time.Second

// progress is one line on stderr that is rewritten while a job lasts, if stderr
// is a terminal and the job takes longer than progressDelay. The nil progress
// says nothing.
type progress struct {
	mu    sync.Mutex
	text  string
	shown bool
	stop  chan struct{}
	ended chan struct{}
}

// newProgress begins a job; end it with done.
func newProgress() *progress {
	if !isTerminal(os.Stderr) {
		return nil
	}
	p := &progress{stop: make(chan struct{}), ended: make(chan struct{})}
	go p.loop()
	return p
}

func (p *progress) loop() {
	defer close(p.ended)
	wait := time.NewTimer(progressDelay)
	defer wait.Stop()
	for {
		select {
		case <-p.stop:
			if p.shown {
				fmt.Fprint(os.Stderr, "\r\x1b[K")
			}
			return
		case <-wait.C:
			p.mu.Lock()
			fmt.Fprintf(os.Stderr, "\r\x1b[K%s", p.text)
			p.mu.Unlock()
			p.shown = true
			wait.Reset(200 * time.Millisecond)
		}
	}
}

// say replaces the line.
func (p *progress) say(format string, args ...any) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.text = fmt.Sprintf(format, args...)
	p.mu.Unlock()
}

func (p *progress) scanning(volume, scanner string) {
	if volume == "" {
		volume = "the device"
	}
	p.say("migimg: scanning %s (%s)", volume, scanner)
}

func (p *progress) done() {
	if p != nil {
		close(p.stop)
		<-p.ended
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
