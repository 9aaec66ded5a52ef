package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// qmpTime is how long QEMU may take to answer: it does within milliseconds, but for
// a machine that is very busy.
const qmpTime = time.Minute

// qmp is QEMU's control connection (QEMU, docs/interop/qmp-spec.rst). It is safe for
// concurrent use.
type qmp struct {
	conn    io.ReadWriteCloser
	command sync.Mutex // one at a time
	replies chan qmpReply
	ended   chan struct{} // the connection is gone

	mu     sync.Mutex
	resets int
}

// qmpReply is any message of QEMU's.
type qmpReply struct {
	Return json.RawMessage `json:"return"`
	Error  *struct{ Desc string }
	Event  string
	Data   struct{ Guest bool }
}

// newQMP greets. It takes the connection over.
func newQMP(conn io.ReadWriteCloser) (*qmp, error) {
	q := &qmp{conn: conn, replies: make(chan qmpReply, 1), ended: make(chan struct{})}
	go q.read()
	return q, q.do("qmp_capabilities", nil, nil)
}

func (q *qmp) read() {
	defer close(q.ended)
	dec := json.NewDecoder(q.conn)
	for {
		var r qmpReply
		if dec.Decode(&r) != nil {
			return
		}
		switch {
		case r.Event == "RESET" && r.Data.Guest:
			q.mu.Lock()
			q.resets++
			q.mu.Unlock()
		case r.Return != nil || r.Error != nil:
			select {
			case q.replies <- r:
			default: // an answer that nobody waited for any more
			}
		}
	}
}

// do runs a command; into takes what it returns, nil drops it.
func (q *qmp) do(name string, arguments map[string]any, into any) error {
	q.command.Lock()
	defer q.command.Unlock()
	c := map[string]any{"execute": name}
	if arguments != nil {
		c["arguments"] = arguments
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := q.conn.Write(b); err != nil {
		return fmt.Errorf("qemu: %s: %w", name, err)
	}
	select {
	case r := <-q.replies:
		switch {
		case r.Error != nil:
			return fmt.Errorf("qemu: %s: %s", name, r.Error.Desc)
		case into == nil:
			return nil
		}
		return json.Unmarshal(r.Return, into)
	case <-q.ended:
		return fmt.Errorf("qemu: %s: %w", name, errEnded)
	case <-time.After(qmpTime):
		// A late answer must not be taken for the next command's.
		_ = q.conn.Close()
		return fmt.Errorf("qemu: %s: no answer within %v", name, qmpTime)
	}
}

// errEnded says that QEMU is gone.
var errEnded = errors.New("it has ended")

// resetCount is how often the guest has started itself anew.
func (q *qmp) resetCount() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.resets
}
