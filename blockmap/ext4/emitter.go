package ext4

import "migimg/blockmap"

// emitter takes runs of free blocks in ascending order, joins them, takes the
// static blocks out and frees the rest.
type emitter struct {
	sink      blockmap.Sink
	blockSize int64
	ratio     int64
	static    runs
	next      int   // the first of static that may still matter to free
	count     int   // and to uninit
	wait      run   // what may still grow
	clash     int64 // static blocks in what was given to free ...
	expected  int64 // ... and of these, those in groups without a bitmap
}

// free adds the blocks [from, to).
func (e *emitter) free(from, to int64) error {
	if from == e.wait.to && e.wait.from < e.wait.to {
		e.wait.to = to
		return nil
	}
	if err := e.flush(); err != nil {
		return err
	}
	e.wait = run{from, to}
	return nil
}

// flush frees what is waiting.
func (e *emitter) flush() error {
	w := e.wait
	e.wait = run{}
	for w.from < w.to {
		for e.next < len(e.static) && e.static[e.next].to <= w.from {
			e.next++
		}
		stop := w.to
		if e.next < len(e.static) {
			stop = min(stop, e.static[e.next].from)
		}
		if w.from < stop {
			if err := e.sink.Free(w.from*e.blockSize, (stop-w.from)*e.blockSize); err != nil {
				return err
			}
			w.from = stop
			continue
		}
		used := min(w.to, e.static[e.next].to)
		e.clash += used - w.from
		w.from = used
	}
	return nil
}

// uninit adds the blocks [from, to) of a group that has no bitmap on the disk,
// and returns how many clusters of it are free. from starts a cluster.
func (e *emitter) uninit(from, to int64) (free int64, err error) {
	free = ceil(to-from, e.ratio)
	for e.count < len(e.static) && e.static[e.count].to <= from {
		e.count++
	}
	for i := e.count; i < len(e.static) && e.static[i].from < to; i++ {
		a, b := max(from, e.static[i].from), min(to, e.static[i].to)
		free -= ceil(b-a, e.ratio)
		e.expected += b - a
	}
	return free, e.free(from, to)
}
