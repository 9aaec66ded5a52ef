package tool

import (
	"os"
	"sync"
)

// streamRoom is how much of a stream waits for [Stream.Next]; then its writer waits.
const streamRoom = 4 << 20

// Stream is what a program writes to a pipe.
type Stream struct {
	pipe  *os.File
	ended chan struct{}

	mu    sync.Mutex
	room  *sync.Cond
	bytes []byte
	shut  bool
}

func newStream(pipe *os.File) *Stream {
	s := &Stream{pipe: pipe, ended: make(chan struct{})}
	s.room = sync.NewCond(&s.mu)
	go s.read()
	return s
}

func (s *Stream) read() {
	defer close(s.ended)
	buf := make([]byte, 64<<10)
	for {
		n, err := s.pipe.Read(buf)
		s.mu.Lock()
		s.bytes = append(s.bytes, buf[:n]...)
		for len(s.bytes) > streamRoom && !s.shut {
			s.room.Wait()
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Next is what came since the last call; nil where nothing did.
func (s *Stream) Next() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bytes
	s.bytes = nil
	s.room.Signal()
	return b
}

func (s *Stream) close() {
	s.mu.Lock()
	s.shut = true
	s.room.Signal()
	s.mu.Unlock()
	_ = s.pipe.Close()
	<-s.ended
}
